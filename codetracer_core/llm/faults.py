"""What went wrong in a call, told from what providers and litellm say: is it worth another try, and what to do."""

import email.utils
import re
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

LONGEST_WORDS = 500
"""Characters of what a provider says that are passed on."""
Kind = Literal["temporary", "overflow", "refused", "final"]
OVERFLOW = re.compile(
    r"context.?(length|window|size|limit)|maximum (prompt|context|input)|prompt is too long|too many (input )?tokens"
    r"|input is too long|input length|reduce the length|exceed_context",
    re.IGNORECASE,
)
TOO_LARGE = re.compile(r"request too large", re.IGNORECASE)
"""A rate limit that no waiting helps against: one request is more than it allows."""
NO_CREDIT = re.compile(r"insufficient.?(quota|balance|credit|funds)|exceeded your current quota|billing", re.IGNORECASE)
CONTENT_FILTER = re.compile(r"content.?(filter|policy|management)|safety|responsible.?ai|moderation", re.IGNORECASE)
NOT_SUPPORTED = re.compile(
    r"support|requires|unknown|unrecogni|unexpected|not allowed|not enabled|invalid", re.IGNORECASE
)
PREFIX = re.compile(r"\A(?:litellm\.\w+: |\w+(?:Error|Exception)(?:: | - )|Error code: \d+ - )+")
NO_KEY = re.compile(
    r"missing (credentials|.{0,40}\b(api.?)?key)|(api.?key|credentials).{0,80}must be (set|passed)", re.IGNORECASE
)
"""Said by clients before they ask anybody."""
MESSAGE = re.compile(r'"message": ?"((?:[^"\\]|\\.)++)"')
NOT_THERE = re.compile(r"connect|refused|resol|unreachable|name or service", re.IGNORECASE)
FEATURES = {
    "tool_choice": r"tool.?choice",
    "tools": r"\btools?\b|function.?call|\bfunctions\b",
    "response_format": r"response.?format|json.?schema|structured.?output|json mode|grammar",
    "stream_options": r"stream_options|include_usage",
    "stream": r"\bstream(ing)?\b",
    "temperature": r"temperature",
    "max_tokens": r"max_tokens|max_completion_tokens",
}
"""What a provider may refuse, in the order in which it is given up, and how its words name it."""


@dataclass(frozen=True)
class Fault:
    """``words``: what the provider said, without keys. ``wait``: how many seconds it asks to wait, if it does.

    *refused*: it does not know the feature ``feature`` of the request. *overflow*: the conversation is too long.
    """

    kind: Kind
    words: str
    remedy: str = ""
    wait: float | None = None
    feature: str = ""
    heard: str | None = None
    """What had come of the answer before it broke off, None: nothing. A provider bills it."""


def fault_of(status: int | None, names: Collection[str], words: str, used: Collection[str]) -> Fault:
    """What an error means. ``names``: of its class and those above; ``used``: features that the request used."""
    is_overflow = (status in (400, 413, 422, 500) and OVERFLOW.search(words)) or TOO_LARGE.search(words)
    if is_overflow or "ContextWindowExceededError" in names:
        return Fault("overflow", words)
    if "ContentPolicyViolationError" in names or (status == 400 and CONTENT_FILTER.search(words)):
        return Fault("final", words, "Its content filter refuses the text of this run: try another model.")
    if feature := _refused(status, words, used):
        return Fault("refused", words, feature=feature)
    if status == 429 and NO_CREDIT.search(words):
        return Fault("final", words, "The account has no credit left.")
    if NO_KEY.search(words):
        return Fault("final", words, _remedy(401))
    if status is None or status in (408, 409, 425, 429) or status >= 500:
        return Fault("temporary", words, "Is the server running?" if NOT_THERE.search(words) else "")
    return Fault("final", words, _remedy(status))


def in_short(text: str) -> str:
    """What an error of litellm says, on one line: without names of classes, traces, and the JSON around a message."""
    for beginning_of_the_rest in ("Original exception:", "Traceback (most recent call last)", "Handle with `litellm"):
        text = text.partition(beginning_of_the_rest)[0]
    line = PREFIX.sub("", " ".join(text.split()))
    if line.startswith(("{", "b'{", 'b"{')) and (message := MESSAGE.search(line)):
        line = message[1]
    line = "".join(character if character.isprintable() else " " for character in line).strip()
    return line if len(line) <= LONGEST_WORDS else line[: LONGEST_WORDS - 1] + "…"


def asked_to_wait(headers: Mapping[str, str]) -> float | None:
    """Seconds that the headers of an answer ask to wait (Retry-After, RFC 9110 §10.2.3), None if they do not."""
    try:
        if milliseconds := headers.get("retry-after-ms"):
            return max(0.0, float(milliseconds) / 1000)
        if not (value := headers.get("retry-after", "").strip()):
            return None
        if value.replace(".", "", 1).isdigit():
            return float(value)
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None


def _refused(status: int | None, words: str, used: Collection[str]) -> str:
    """The feature that these words refuse, if the request used it. 5xx words must also say so: servers mistake it."""
    if status not in (400, 404, 405, 422, 500, 501) or (status not in (400, 422) and not NOT_SUPPORTED.search(words)):
        return ""
    named = (feature for feature, pattern in FEATURES.items() if re.search(pattern, words, re.IGNORECASE))
    return next((feature for feature in named if feature in used), "")


def _remedy(status: int) -> str:
    return {
        401: "Give a key: in CODETRACER_API_KEY, the provider's own variable, or the secrets file.",
        403: "The key may not use this model.",
        404: "Check the name of the model; the address of a server of your own mostly ends in /v1.",
    }.get(status, "")
