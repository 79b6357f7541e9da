"""Texts of cohorts, quality, models, a person's slip and feedback."""

from __future__ import annotations

from edge.words import Words

WORDS: dict[str, Words] = {
    # cohorts
    "cohorts.title": Words("Cohorts", "队列"),
    "cohorts.note": Words("counts under {floor} are not shown", "小于 {floor} 的计数不显示"),
    "cohorts.none": Words("No cohort has a roster or an encounter yet.", "尚无队列名册或筛查记录。"),
    "cohorts.import": Words(
        "Rosters come by “dermedge hub roster import FILE”.", "名册用“dermedge hub roster import 文件”导入。"
    ),
    "cohorts.wave": Words("wave {wave}", "第 {wave} 轮"),
    "cohorts.unit": Words("Village or class", "村或班级"),
    "cohorts.eligible": Words("Eligible", "应筛"),
    "cohorts.screened": Words("Screened", "已筛"),
    "cohorts.refused": Words("Did not agree", "不同意"),
    "cohorts.retakes": Words("Pictures taken again, by reason", "重拍原因"),
    "cohorts.refusals": Words("Reasons not to agree", "不同意的原因"),
    "cohorts.duration": Words("Time per person", "人均用时"),
    "cohorts.mean": Words("mean, of those who finished", "完成者的平均值"),
    "cohorts.all_waves": Words("in all waves", "各轮合计"),
    "cohorts.of": Words("{screened} of {eligible} eligible", "应筛 {eligible}，已筛 {screened}"),
    "refusal.no_reason_given": Words("no reason given", "未说明"),
    "refusal.no_time": Words("no time", "没有时间"),
    "refusal.privacy": Words("privacy", "隐私"),
    "refusal.photography": Words("does not want pictures", "不愿拍照"),
    "refusal.other": Words("other", "其他"),
    "retake.hold-still": Words("did not hold still", "移动"),
    "retake.hold_still": Words("did not hold still", "移动"),
    "retake.too-blurry": Words("blurred", "模糊"),
    "retake.too_blurry": Words("blurred", "模糊"),
    "retake.too-dark": Words("too dark", "过暗"),
    "retake.too_dark": Words("too dark", "过暗"),
    "retake.too-bright": Words("too bright", "过亮"),
    "retake.too_bright": Words("too bright", "过亮"),
    "retake.glare": Words("glare", "反光"),
    # quality
    "quality.title": Words("Quality", "质量"),
    "quality.note": Words(
        "every figure with its 95% interval; under {floor} nothing is said", "均附 95% 区间；不足 {floor} 例不给数字"
    ),
    "quality.agreement": Words("Agreement with reviewers", "与阅片者的一致性"),
    "quality.agreement_note": Words(
        "Cohen's kappa: 1 is always, 0 is as by chance.", "科恩 kappa：1 为完全一致，0 相当于偶然。"
    ),
    "quality.sensitivity": Words("Sensitivity and specificity, from the blind sample", "灵敏度与特异度（盲法抽样）"),
    "quality.sensitivity_note": Words(
        "Weighted by how likely each encounter was to be drawn; against one reviewer's answer, not a pathologist's.",
        "按抽样概率加权；以一名阅片者的判断为准，并非病理结果。",
    ),
    "quality.at_specificity": Words("sensitivity at specificity {share}", "特异度 {share} 时的灵敏度"),
    "quality.retakes": Words("Pictures taken again", "重拍率"),
    "quality.drift": Words("How a model's scores move", "模型得分的变化"),
    "quality.drift_note": Words(
        "Its first 30 days at this hub against the last 30 (population stability index); red needs a look.",
        "本中心最初 30 天与最近 30 天对比（群体稳定性指数），红色需查看。",
    ),
    "quality.sample": Words(
        "Blind sample: {answered} answered, {blind} to answer, {waiting} wait for a picture, {unblinded} shown.",
        "盲法抽样：已答 {answered}，待答 {blind}，等待图片 {waiting}，已公开 {unblinded}。",
    ),
    "quality.by": Words("By {dimension}", "按{dimension}"),
    "quality.overall": Words("Overall", "总体"),
    "quality.too_few": Words("too few ({count})", "太少（{count}）"),
    "quality.tone": Words(
        "Skin tone: no device measures it, so nothing is said by skin tone.",
        "肤色：设备不测量肤色，因此不按肤色给出数字。",
    ),
    "dimension.device": Words("device", "设备"),
    "dimension.site": Words("site", "站点"),
    "dimension.label": Words("kind", "类别"),
    "dimension.skin_tone": Words("skin tone", "肤色"),
    "feedback.title": Words("What people said", "反馈"),
    "feedback.count": Words("{count} answers", "{count} 条"),
    "feedback.scale": Words("from 1 (no) to 5 (yes)", "1（否）至 5（是）"),
    "feedback.role": Words("Who", "身份"),
    "feedback.thanks": Words("Thank you.", "谢谢。"),
    "feedback.i_am": Words("I am", "我是"),
    "role.patient": Words("patient", "患者"),
    "role.family": Words("family", "家属"),
    "role.nurse": Words("nurse", "护士"),
    "role.doctor": Words("doctor", "医生"),
    "question.feasibility": Words("feasibility", "可行性"),
    "question.reliability": Words("reliability", "可靠性"),
    "question.usability": Words("usability", "易用性"),
    "question.effectiveness": Words("effectiveness", "有效性"),
    "ask.feasibility": Words("It fitted into the day", "不影响日常安排"),
    "ask.reliability": Words("I trust how it was done", "我信任这次检查"),
    "ask.usability": Words("It was easy", "很方便"),
    "ask.effectiveness": Words("It helped me", "对我有帮助"),
    # models
    "models.title": Words("Models in the field", "现场模型"),
    "models.none": Words("No device has named its model yet.", "尚无设备报告其模型。"),
    "models.model": Words("Model", "模型"),
    "models.devices": Words("Devices", "设备"),
    "models.findings": Words("Findings", "发现"),
    "models.says": Words("Its card says", "说明卡"),
    "models.counts_as": Words("Here it counts as", "本中心认定"),
    "models.covers": Words("Covers", "涵盖"),
    "models.not_registered": Words("not registered here", "未在本中心登记"),
    "models.register": Words(
        "A model counts as clinical only when this hub says so: “dermedge hub model add CARD”.",
        "仅当本中心登记后，模型才按临床用途处理：“dermedge hub model add 说明卡”。",
    ),
    "models.incomplete": Words("does not cover all six groups", "未涵盖全部六类"),
    # participants' cards
    "cards.title": Words("Participants' cards", "参与者卡片"),
    "cards.print": Words("cards", "卡片"),
    "cards.note": Words("{cohort}, wave {wave}, {unit}: {count} cards", "{cohort}，第 {wave} 轮，{unit}：{count} 张"),
    "cards.none": Words("No participants by name in this roster.", "此名册没有逐人编号。"),
    # a person's slip
    "slip.title": Words("What was looked at", "本次筛查告知单"),
    "slip.looked": Words("Looked at", "检查内容"),
    "slip.looked_none": Words("The skin that was held to the camera", "镜头前的皮肤"),
    "slip.found": Words("What was found", "结果"),
    "slip.nothing": Words(
        "Nothing found by this model; it covers: {labels}. That does not mean that there is nothing.",
        "本模型未检出；它涵盖：{labels}。这不代表没有问题。",
    ),
    "slip.looks_like": Words(
        "{label} ({body_site}): the camera marked it for a look.", "{label}（{body_site}）：设备提示需要查看。"
    ),
    "slip.waiting": Words("A person at the hospital still looks at it.", "医院人员仍在查看。"),
    "slip.reviewed": Words("A person at the hospital has looked at it.", "医院人员已查看。"),
    "slip.reviewed_nothing": Words(
        "A person at the hospital has looked at it, and saw nothing that needs a doctor.",
        "医院人员已查看，未见需就医的情况。",
    ),
    "slip.again": Words("Come again", "复查日期"),
    "slip.do": Words("What to do", "怎么办"),
    "slip.where": Words("Where", "去哪里"),
    "slip.nowhere": Words("Ask the person who gave you this.", "请询问发放此单的人员。"),
    "slip.unfinished": Words("The screening was not finished.", "筛查未完成。"),
    "slip.nothing_unknown": Words(
        "The camera marked nothing. This hub does not know what its model covers, so a person must look.",
        "设备未作提示。本中心不了解其模型的涵盖范围，需由专业人员查看。",
    ),
    "slip.search": Words("A person's slip", "个人告知单"),
    "slip.find": Words("Find", "查找"),
    "slip.no_pseudonym": Words("That is no participant's number: look at the card again.", "编号有误，请核对卡片。"),
    "slip.not": Words(
        "This is a screening by a machine. It is not a diagnosis. If you worry, or something changes, see a doctor.",
        "这是机器筛查，不是诊断。如有担心或变化，请就医。",
    ),
    "slip.code": Words("For the hospital", "供医院扫描"),
    "slip.feedback": Words("How was it? One tap.", "感觉如何？点一下即可。"),
    "slip.none": Words("There is no such encounter here, or it was erased.", "没有这次筛查记录，或已删除。"),
    "do.urgent": Words("See a doctor within days. Take this slip with you.", "请在数日内就医，并带上此单。"),
    "do.routine": Words("See a doctor when you can; it does not hurry.", "请在方便时就医，不必着急。"),
    "do.person": Words("A person must look at it: ask the staff here.", "需由专业人员查看，请询问现场人员。"),
    "do.self_care": Words(
        "Nothing to do now. If it changes, grows, itches or bleeds, see a doctor.",
        "目前无需处理。如有变化、增大、瘙痒或出血，请就医。",
    ),
    "do.nothing": Words(
        "This screening asks for no next step. If you notice anything on your skin, see a doctor.",
        "本次筛查未提示下一步。如发现皮肤异常，请就医。",
    ),
}
