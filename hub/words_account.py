"""Texts of signing in, and of what every page has: navigation, what cannot be read or saved."""

from __future__ import annotations

from edge.words import Words

WORDS: dict[str, Words] = {
    "nav.label": Words("Pages", "页面"),
    "nav.live": Words("Live", "实况"),
    "nav.worklist": Words("Worklist", "待阅"),
    "nav.referrals": Words("Referrals", "转诊"),
    "nav.follow-ups": Words("Follow-ups", "随访"),
    "nav.cohorts": Words("Cohorts", "队列"),
    "nav.quality": Words("Quality", "质量"),
    "nav.models": Words("Models", "模型"),
    "role.viewer": Words("viewer", "查看者"),
    "role.reviewer": Words("reviewer", "阅片者"),
    "role.admin": Words("administrator", "管理员"),
    "account.title": Words("Sign in", "登录"),
    "account.name": Words("Account", "账户"),
    "account.password": Words("Password", "密码"),
    "account.again": Words("The same again", "再次输入"),
    "account.sign_in": Words("Sign in", "登录"),
    "account.sign_out": Words("Sign out", "退出"),
    "account.first": Words("Choose a password", "设置密码"),
    "account.rule": Words(
        "At least {count} characters. A sentence is easier to keep in mind.", "至少 {count} 个字符，用一句话更好记。"
    ),
    "account.save": Words("Save the password", "保存密码"),
    "account.help": Words(
        "No account, or a forgotten password? Ask whoever runs this hub for “dermedge hub account link NAME”.",
        "没有账户或忘记密码？请中心管理者用“dermedge hub account link 账户名”生成链接。",
    ),
    "account.wrong": Words("Account and password do not fit together.", "账户与密码不符。"),
    "account.wait": Words("Too many tries. Wait a little, then try again.", "尝试次数过多，请稍候再试。"),
    "account.differ": Words("The two passwords differ.", "两次输入的密码不同。"),
    "account.weak": Words(
        "Not good enough: at least {count} characters, and not the same few over and over.",
        "不够安全：至少 {count} 个字符，且不能只是几个字符的重复。",
    ),
    "account.no_link": Words(
        "This link was used already, or is too old. Ask for a new one.", "此链接已使用或已过期，请索取新链接。"
    ),
    "account.stale": Words("This form was too old. Please try again.", "表单已过期，请重试。"),
    "account.away": Words("The database does not answer. Try again soon.", "数据库没有回应，请稍后再试。"),
    "page.loading": Words("Reading the database …", "正在读取数据库……"),
    "page.no_answer": Words(
        "The database does not answer. What stands below may be old; this page tries again by itself.",
        "数据库没有回应，下方内容可能不是最新；本页会自动重试。",
    ),
    "page.not_saved": Words("It could not be saved: {reason}", "未能保存：{reason}"),
    "page.failed": Words(
        "This page failed. The others, and the taking of events, go on.", "本页出错，其他页面和事件接收不受影响。"
    ),
    "page.back": Words("Back", "返回"),
    "page.print": Words("Print", "打印"),
    "page.few": Words("fewer than {floor}", "少于 {floor}"),
    "page.no_data": Words("no data", "无数据"),
    "page.next": Words("Next", "下一页"),
    "page.first": Words("From the start", "回到开头"),
    "page.all": Words("all", "全部"),
}
