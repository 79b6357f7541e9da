"""Every text that the hub's pages show, English and Chinese side by side. Labels come from edge/terms.py.

No text says diagnosis but to deny it; "nothing found" always names the model and what it covers.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

from edge.words import Language, Words
from hub import words_account, words_quality, words_worklist

_LIVE: dict[str, Words] = {
    "page.title": Words("dermedge hub", "dermedge 中心"),
    "page.heading": Words("Screening, live", "筛查实况"),
    "page.language": Words("中文", "English"),
    "page.updated": Words("updated {time}", "更新于 {time}"),
    "banner.research": Words("Demonstration, not for clinical use", "仅供演示，不作临床用途"),
    "banner.note": Words(
        "It screens and suggests; a person decides. This is not a diagnosis.",
        "仅供筛查和提示，由专业人员判断。不是诊断。",
    ),
    # the large numbers
    "number.screened": Words("People screened", "已筛查人数"),
    "number.findings": Words("Findings", "发现"),
    "number.urgent": Words("Urgent", "紧急"),
    "number.online": Words("Devices online", "在线设备"),
    "number.open": Words("{count} in progress, {refused} did not agree", "{count} 人进行中，{refused} 人不同意"),
    "number.nothing": Words("the model found nothing in {count}", "模型未检出 {count} 人"),
    "number.urgent_note": Words("suggested: see a doctor within days", "建议数日内就医"),
    "number.of": Words("of {total} registered", "共登记 {total} 台"),
    # devices
    "devices.title": Words("Devices", "设备"),
    "devices.device": Words("Device", "设备"),
    "devices.site": Words("Site", "站点"),
    "devices.state": Words("State", "状态"),
    "devices.backlog": Words("Unsent", "待发送"),
    "devices.oldest": Words("Oldest unsent", "最久未发送"),
    "devices.fps": Words("Frames/s", "帧/秒"),
    "devices.p90": Words("p90 latency", "p90 延迟"),
    "devices.model": Words("Model", "模型"),
    "devices.seen": Words("Last seen", "最近联系"),
    "devices.problem": Words("Problem", "问题"),
    "devices.none": Words("No device has reported yet.", "尚无设备上报。"),
    "devices.none_note": Words(
        "Register one with “dermedge hub device add FILE”, then start it.",
        "请先用“dermedge hub device add FILE”登记设备，再启动设备。",
    ),
    "devices.more": Words("and {count} more; choose a site to see its own", "另有 {count} 台，选择站点可查看"),
    "devices.all": Words("all sites", "全部站点"),
    "sites.title": Words("Sites", "站点"),
    "sites.note": Words("where somebody should look first", "需查看的在前"),
    "sites.devices": Words("Devices", "设备"),
    "sites.troubled": Words("Need a look", "需查看"),
    "sites.more": Words("and {count} more sites", "另有 {count} 个站点"),
    "trouble.silent": Words("no word for long", "久未联系"),
    "trouble.full": Words("store full", "存储已满"),
    "trouble.stopped": Words("capturing stopped", "已停止采集"),
    "trouble.stale": Words("old frames", "画面陈旧"),
    "trouble.wrong_clock": Words("clock not set", "时钟未校准"),
    "trouble.certificate": Words("certificate ends soon", "证书即将到期"),
    "trouble.unsent": Words("unsent for over a day", "超过一天未发送"),
    "trouble.problem": Words("problem", "故障"),
    "presence.online": Words("online", "在线"),
    "presence.silent": Words("no word for long", "久未联系"),
    "presence.offline": Words("offline", "离线"),
    "presence.never": Words("not seen yet", "尚未上线"),
    "problem.full": Words("Its store is full: capturing has stopped", "存储已满，已停止采集"),
    "problem.stopped": Words("Capturing has stopped", "已停止采集"),
    "problem.none": Words("none", "无"),
    # findings
    "findings.title": Words("Findings as they come", "最新发现"),
    "findings.note": Words("newest first", "最新的在前"),
    "findings.time": Words("Seen", "拍摄时间"),
    "findings.what": Words("What the model saw", "模型所见"),
    "findings.where": Words("Body site", "部位"),
    "findings.site": Words("Site", "站点"),
    "findings.device": Words("Device", "设备"),
    "findings.score": Words("Score", "得分"),
    "findings.tier": Words("Suggested", "建议"),
    "findings.late": Words("arrived {time}", "到达于 {time}"),
    "findings.none_yet": Words("No findings yet.", "暂无发现。"),
    "findings.none": Words("Nothing found by this model so far.", "本模型目前未检出其涵盖的皮损。"),
    "findings.score_note": Words("The score orders findings; it is not a probability.", "得分仅用于排序，并非概率。"),
    # counts
    "counts.title": Words("Findings by kind and site", "按类别与站点统计"),
    "counts.none": Words("No findings to count yet.", "暂无可统计的发现。"),
    "counts.other": Words("other sites", "其他站点"),
    "tiers.title": Words("Suggested next step", "建议的下一步"),
    "tier.urgent": Words("Urgent", "紧急"),
    "tier.routine": Words("Doctor, not urgent", "非紧急就诊"),
    "tier.person": Words("A person decides", "由专业人员判断"),
    "tier.self_care": Words("Self-care", "自我护理"),
    # the model
    "model.title": Words("Model in use", "使用中的模型"),
    "model.status.research": Words("research", "研究用途"),
    "model.status.clinical": Words("clinical", "临床用途"),
    "model.nothing": Words(
        "People with nothing found by this model: {count}. That does not mean there is nothing. It covers: {labels}.",
        "本模型未检出的人数：{count}，不代表没有问题。本模型涵盖：{labels}。",
    ),
    "model.not_covered": Words("It does not cover: {labels}.", "不涵盖：{labels}。"),
    "model.unknown": Words(
        "This hub has no card of a model in use, and cannot say what it covers.",
        "本中心没有使用中模型的说明卡，无法说明其涵盖范围。",
    ),
    "model.none": Words("No device has named its model yet.", "尚无设备报告其模型。"),
    # what the shipped model's card says in its own words
    "card.lupus": Words("lupus-like rash", "红斑狼疮样皮疹"),
    "card.rashes and other diffuse disease": Words("rashes and other diffuse disease", "皮疹及其他弥漫性皮肤病"),
    "card.mucosa, nails, scalp": Words("mucosa, nails, scalp", "黏膜、指甲、头皮"),
    # what needs a person
    "alarm.quarantine": Words(
        "{count} messages in quarantine: they could not be stored as events.",
        "隔离区有 {count} 条消息：无法作为事件存入。",
    ),
    "alarm.unregistered": Words(
        "Not registered: {devices}. Register with “dermedge hub device add FILE”.",
        "未登记：{devices}。请用“dermedge hub device add FILE”登记。",
    ),
    "alarm.noticed": Words("Noticed in what devices sent:", "设备发来的内容有异常："),
    "alarm.ingest": Words(
        "The hub takes no events now. Devices keep what they have not sent.",
        "中心目前未接收事件；设备会保留尚未发送的内容。",
    ),
    "alarm.database": Words(
        "The database cannot be read now; what stands below may be old.", "目前无法读取数据库，下方内容可能不是最新。"
    ),
    "reason.malformed": Words("not a message of ours", "非本系统消息"),
    "reason.unknown_device": Words("device not registered", "设备未登记"),
    "reason.bad_signature": Words("signature does not fit", "签名不符"),
    "reason.does_not_open": Words("altered, or sealed to another hub", "被改动或非封给本中心"),
    "reason.body_not_understood": Words("content not understood", "内容无法识别"),
    "reason.other_bytes": Words("same id, other content", "编号相同但内容不同"),
    "reason.not_storable": Words("refused by the database", "数据库拒绝"),
    "reason.dropped": Words("could not be stored nor held", "无法存储也无法隔离"),
    "reason.too_large": Words("too large", "过大"),
    "reason.foreign_presence": Words("another hub's word on this broker", "本代理上有其他中心的消息"),
    "reason.unread_and_withdrawn": Words(
        "cannot be read, and may be about somebody who has withdrawn; it stays with its device",
        "无法读取，且可能涉及已撤回同意者，保留在设备上",
    ),
    "reason.quarantine_full": Words("no room in quarantine", "隔离区已满"),
    "reason.seq_repeated": Words("one number for two events of a device", "同一设备的两个事件序号相同"),
    "reason.chain_broken": Words("an event that does not follow the one before", "事件与前一事件不衔接"),
    "reason.outbox_set_back": Words(
        "a device with a new or an older outbox; it is told again what it has forgotten",
        "设备使用了新的或较旧的发件箱，其遗忘的指令会重新发送",
    ),
    "reason.command_not_sealed": Words("a command that cannot be sealed to its device", "指令无法加密给该设备"),
    "reason.events_missing": Words("events that the hub lacks; asked for again", "中心缺少的事件，已要求重发"),
    "reason.events_lost": Words("events that nobody holds any more", "已无处可寻的事件"),
    "reason.command_refused": Words("a command that a device refused", "设备拒绝的指令"),
    "reason.self_care_not_taken": Words(
        "self-care suggested by a model that does not cover all six groups: a person must look",
        "模型未涵盖全部六类疾病却建议自我护理：须由专业人员查看",
    ),
    "reason.finding_repeated": Words("a finding sent twice under two events", "同一发现由两个事件上报"),
    "reason.status_not_understood": Words("status not understood", "在线状态无法识别"),
    "reason.state_not_understood": Words("state not understood", "设备状态无法识别"),
    # body sites
    "body.unspecified": Words("not stated", "未注明"),
    "body.face": Words("face", "面部"),
    "body.scalp": Words("scalp", "头皮"),
    "body.neck": Words("neck", "颈部"),
    "body.chest": Words("chest", "胸部"),
    "body.back": Words("back", "背部"),
    "body.abdomen": Words("abdomen", "腹部"),
    "body.upper-arm": Words("upper arm", "上臂"),
    "body.forearm": Words("forearm", "前臂"),
    "body.hand": Words("hand", "手部"),
    "body.thigh": Words("thigh", "大腿"),
    "body.lower-leg": Words("lower leg", "小腿"),
    "body.foot": Words("foot", "足部"),
    # time
    "time.now": Words("just now", "刚刚"),
    "time.seconds": Words("{count} s ago", "{count} 秒前"),
    "time.minutes": Words("{count} min ago", "{count} 分钟前"),
    "time.hours": Words("{count} h ago", "{count} 小时前"),
    "time.days": Words("{count} days ago", "{count} 天前"),
    "time.for_seconds": Words("{count} s", "{count} 秒"),
    "time.for_minutes": Words("{count} min", "{count} 分钟"),
    "time.for_hours": Words("{count} h", "{count} 小时"),
    "time.for_days": Words("{count} days", "{count} 天"),
}
TABLES = (_LIVE, words_account.WORDS, words_worklist.WORDS, words_quality.WORDS)
WORDS: dict[str, Words] = {key: text for table in TABLES for key, text in table.items()}


def word(key: str, language: Language, **fields: object) -> str:
    """A text by key, its {fields} filled in. KeyError for a key that is not in the table."""
    text = WORDS[key].zh if language == "zh" else WORDS[key].en
    return text.format(**fields) if fields else text


def word_or(key: str, otherwise: str, language: Language) -> str:
    """A text by a key that came from outside; what has no words is shown as it is written."""
    return word(key, language) if key in WORDS else otherwise.replace("_", " ").replace("-", " ")


def ago(at: datetime, now: datetime, language: Language) -> str:
    """How long since, in the one unit that matters."""
    passed = now - at
    if passed < timedelta(seconds=2):
        return word("time.now", language)
    unit, count = _largest_unit(passed.total_seconds())
    return word(f"time.{unit}", language, count=count)


def lasting(seconds: float, language: Language) -> str:
    """How long, in the one unit that matters."""
    unit, count = _largest_unit(seconds)
    return word(f"time.for_{unit}", language, count=count)


def clock_time(at: datetime, now: datetime, language: Language) -> str:
    """Local time of day; with the date where it is not today's."""
    try:
        local, today = at.astimezone(), now.astimezone().date()
    except (OverflowError, ValueError):
        return at.isoformat(sep=" ", timespec="seconds")  # no year of this machine's zone; the page must still be shown
    if local.date() == today:
        return local.strftime("%H:%M:%S")
    if language == "zh":
        return f"{local.month}月{local.day}日 {local:%H:%M}"
    return f"{local.day} {local:%b %H:%M}"


def day(at: date | datetime, language: Language) -> str:
    """A day in this machine's zone, with its year."""
    local = at.astimezone().date() if isinstance(at, datetime) else at
    return f"{local.year}年{local.month}月{local.day}日" if language == "zh" else f"{local.day} {local:%b %Y}"


def _largest_unit(seconds: float) -> tuple[str, int]:
    for unit, length in (("days", 172_800), ("hours", 7_200), ("minutes", 120)):
        if seconds >= length:
            return unit, int(seconds // {"days": 86_400, "hours": 3_600, "minutes": 60}[unit])
    return "seconds", int(seconds)
