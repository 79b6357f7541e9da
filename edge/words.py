"""Every text that the device shows to people, English and Chinese side by side.

Short enough to read at arm's length. No text says diagnosis but to deny it.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Language = Literal["en", "zh"]
LANGUAGES: tuple[Language, ...] = ("en", "zh")


class Words(NamedTuple):
    """One text in both languages."""

    en: str
    zh: str


WORDS: dict[str, Words] = {
    "app.title": Words("dermedge · skin screening", "dermedge · 皮肤筛查"),
    "app.live": Words("Live picture", "实时画面"),
    "app.language": Words("中文", "English"),
    "app.connecting": Words("Waiting for the device …", "正在等待设备……"),
    "app.lost": Words("No connection to the device. The picture is not live.", "与设备的连接已断开，画面不是实时的。"),
    "banner.research": Words(
        "Demonstration, not for clinical use. This is not a diagnosis.", "演示用途，不得用于临床。本结果不是诊断。"
    ),
    "banner.screening": Words("It screens and suggests. This is not a diagnosis.", "仅供筛查和提示，不是诊断。"),
    # one line of advice at a time
    "hint.ok": Words("Good picture – keep going", "画面良好，请继续"),
    "hint.hold_still": Words("Hold still", "请保持不动"),
    "hint.too_blurry": Words("Too blurry – move back a little", "画面模糊，请稍微后退"),
    "hint.too_dark": Words("Too dark – more light please", "光线太暗，请增加照明"),
    "hint.too_bright": Words("Too bright – less light please", "光线太亮，请减弱照明"),
    "hint.glare": Words("Glare – tilt the light", "有反光，请调整光源角度"),
    "hint.no_verdict": Words("One moment …", "请稍候……"),
    "hint.other": Words("Take the picture again", "请重新拍摄"),
    "hint.idle": Words("Nobody in front of the camera", "镜头前没有人"),
    "hint.asking": Words("Ask for consent first", "请先征得同意"),
    "hint.paused": Words("Capturing has stopped", "已停止采集"),
    "hint.refused": Words("Consent refused – nothing is looked at", "受检者不同意，不进行任何分析"),
    # the encounter
    "encounter.title": Words("This person", "本次受检者"),
    "encounter.idle": Words("No one yet", "暂无受检者"),
    "encounter.asking": Words("Asking for consent", "正在征求同意"),
    "encounter.screening": Words("Consent given – screening", "已同意，筛查中"),
    "encounter.refused": Words("Did not agree", "受检者不同意"),
    # what was found
    "found.title": Words("Findings saved", "已保存的发现"),
    # never an all-clear
    "found.none": Words(
        "Nothing found by this model. That does not mean there is nothing.",
        "本模型未检出其涵盖的皮损，不代表没有问题。",
    ),
    "found.none_yet": Words("None yet", "暂无"),
    "found.saved": Words("Saved · {label}", "已保存 · {label}"),
    "found.covers": Words("This model covers: {labels}", "本模型涵盖：{labels}"),
    "found.looking": Words("looking …", "观察中……"),
    "tier.urgent": Words("Urgent: see a doctor within days", "紧急：请在数日内就医"),
    "tier.routine": Words("Doctor visit, not urgent", "非紧急，建议就诊"),
    "tier.person": Words("A trained person decides", "由专业人员判断"),
    "tier.self_care": Words("Self-care advice", "自我护理建议"),
    # keeping and sending
    "keeping.title": Words("Records", "记录"),
    "keeping.all_sent": Words("All sent", "已全部发送"),
    "keeping.waiting": Words("{count} waiting to be sent – kept safely here", "{count} 条待发送，已安全保存在本机"),
    "keeping.nothing": Words("Not provisioned: nothing is kept or sent", "设备未配置：不保存也不发送任何内容"),
    "keeping.offline": Words("No connection to the hub", "未连接到中心服务器"),
    "keeping.quarantined": Words(
        "Records set aside at the hub: {count} – tell your supervisor", "{count} 条记录被中心服务器搁置，请告知主管"
    ),
    "keeping.online": Words("Connected", "已连接"),
    # referrals, `dermedge referral list`
    "referral.referral": Words("referral", "转诊编号"),
    "referral.requested": Words("requested", "申请时间"),
    "referral.step": Words("where it stands", "当前状态"),
    "referral.since": Words("since", "更新时间"),
    "referral.place": Words("place", "接诊机构"),
    "referral.note": Words("note", "备注"),
    "referral.participant": Words("participant", "受检者"),
    "referral.why": Words("why", "原因"),
    "recall.picture": Words("take another picture", "需重新拍摄"),
    "recall.referral": Words("a doctor should see this person", "建议就诊"),
    "step.requested": Words("requested", "已申请"),
    "step.accepted": Words("accepted", "已接收"),
    "step.seen": Words("seen there", "已就诊"),
    "step.returned": Words("back with a report", "已回诊"),
    "step.declined": Words("declined", "未接收"),
    "step.expired": Words("expired", "已过期"),
    "step.down_referral": Words("sent back for follow-up", "已下转随访"),
    # what is wrong
    "problem.camera": Words("The camera gives no picture. Trying again …", "摄像头没有画面，正在重试……"),
    "problem.outbox": Words("Cannot keep records. Capturing has stopped.", "无法保存记录，已停止采集。"),
}


def word(key: str, language: Language, **fields: object) -> str:
    """A text by key, its {fields} filled in. KeyError for a key that is not in the table: tested for every use."""
    text = WORDS[key].zh if language == "zh" else WORDS[key].en
    return text.format(**fields) if fields else text


def preferred(accept_language: str) -> Language:
    """The language of an Accept-Language header: the first of ours by its weights, else English."""
    choices: list[tuple[float, int, Language]] = []
    for place, part in enumerate(accept_language.lower().split(",")):
        tag, _, weight = part.strip().partition(";q=")
        spoken = tag.split("-")[0]
        choices.extend((-_weight(weight), place, language) for language in LANGUAGES if language == spoken)
    return min(choices)[2] if choices else "en"


def _weight(text: str) -> float:
    try:
        return float(text) if text else 1.0
    except ValueError:
        return 0.0
