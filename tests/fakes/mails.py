"""Mails as they come: reports as Postfix 3.7 writes them, answers as people's programs do."""

REPORT = """\
Return-Path: <>
Delivered-To: {to}
Date: Tue, 3 Mar 2026 13:20:05 +0000 (UTC)
From: Mail Delivery System <MAILER-DAEMON@relay.example>
Subject: Undelivered Mail Returned to Sender
To: {to}
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status;
\tboundary="A975C20C1B3.1795549680/relay.example"
Content-Transfer-Encoding: 8bit
Message-Id: <20260303132005.AE2CD20C133@relay.example>

This is a MIME-encapsulated message.

--A975C20C1B3.1795549680/relay.example
Content-Description: Notification
Content-Type: text/plain; charset=utf-8

This is the mail system at host relay.example.

--A975C20C1B3.1795549680/relay.example
Content-Description: Delivery report
Content-Type: message/delivery-status

Reporting-MTA: dns; relay.example
X-Postfix-Queue-ID: A975C20C1B3
Arrival-Date: Tue, 3 Mar 2026 13:20:00 +0000 (UTC)

Final-Recipient: rfc822; alice@example.net
Original-Recipient: rfc822;alice@example.net
Action: {action}
Status: {status}
Remote-MTA: dns; mx.example.net
Diagnostic-Code: smtp; {said}

--A975C20C1B3.1795549680/relay.example
Content-Description: Undelivered Message
Content-Type: {returned}

Return-Path: <{to}>
From: Thermia <care@thermia.example>
To: alice@example.net
Message-ID: {original}
Subject: hi

--A975C20C1B3.1795549680/relay.example--
"""


def report(
    *,
    to: str = "care+b.1.x@thermia.example",
    action: str = "failed",
    status: str = "5.1.1",
    said: str = "550 5.1.1 no such user here",
    original: str = "<prevenant.1-a@thermia.example>",
    returned: str = "message/rfc822",
) -> bytes:
    """A report about one recipient."""
    fields = {"to": to, "action": action, "status": status, "said": said, "original": original, "returned": returned}
    return REPORT.format(**fields).replace("\n", "\r\n").encode()


def mail(text: str = "Please send someone.", **headers: str) -> bytes:
    """A person's mail; `headers` with underscores for dashes, empty to leave one out."""
    usual = {
        "From": "Alice Martin <alice@example.net>",
        "To": "care@thermia.example",
        "Subject": "Re: Your heat pump stops too often",
        "Message_ID": "<1@example.net>",
        "Date": "Tue, 3 Mar 2026 13:25:00 +0000",
        "MIME_Version": "1.0",
        "Content_Type": "text/plain; charset=utf-8",
    }
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in {**usual, **headers}.items() if value]
    return "\r\n".join([*lines, "", text.replace("\n", "\r\n")]).encode()
