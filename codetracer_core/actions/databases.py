"""SQL and the shells of databases: what is asked decides."""

import re

from codetracer_core.actions.effects import READS_ONLY, Effect, changes, combined, explores, shown
from codetracer_core.actions.options import Call, has, judge_stdin, names, operands, runs_script, value_of

_WORD = re.compile(r"[A-Za-z]+")
_SQL_READS = names("select explain show describe desc values table use set begin end")
_SQL_PRAGMA_WRITE = re.compile(r"=|wal_checkpoint|incremental_vacuum|optimize", re.IGNORECASE)
_SQL_CHANGE_WITHIN = re.compile(r"\b(?:insert\s+into|update\s+\S+\s+set|delete\s+from|into\s+outfile)\b", re.IGNORECASE)
_SQL_NOISE = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"", re.DOTALL)


def judge_sql(texts: list[str]) -> Effect:
    """SQL text: only statements that read are exploration; no text at all is SQL that is not seen."""
    if not texts:
        return changes("runs SQL that is not seen")
    for statement in _SQL_NOISE.sub(" ", "\n".join(texts)).split(";"):
        words = _WORD.findall(statement[:200])
        word = words[0].lower() if words else "select"
        reads = (
            word in _SQL_READS
            or (word == "with" and not _SQL_CHANGE_WITHIN.search(statement))
            or (word == "pragma" and not _SQL_PRAGMA_WRITE.search(statement))
        )
        if not reads or _SQL_CHANGE_WITHIN.search(statement):
            return changes(f"SQL {shown(word.upper(), 20)}", "edit")
    return explores("SQL that only reads")


_SQL_OPTIONS = {"psql": "-c", "mysql": "-e", "mariadb": "-e", "clickhouse-client": "-q", "duckdb": "-c"}
_SQL_LONG = ("--command", "--execute", "--query")


def sql_shell(call: Call) -> Effect:
    """psql, mysql …: the SQL on the command line or at standard input decides."""
    args, short = call.args, _SQL_OPTIONS[call.name]
    if script := value_of(args, "-f", "--file"):
        return runs_script(script)
    statements = [
        args[at + 1]
        for at, word in enumerate(args[:-1])
        if word in _SQL_LONG or re.fullmatch(rf"-[a-zA-Z]*{short[1]}", word)
    ]
    statements += [word.partition("=")[2] for word in args if word.startswith(tuple(f"{name}=" for name in _SQL_LONG))]
    statements += [word[2:] for word in args if re.match(rf"{short}[^-]", word)]
    if has(args, "-l", "--list") and not statements:
        return READS_ONLY
    if statements:
        return combined([_statements(text) for text in statements])
    return judge_stdin(call, _statements, "SQL")


def sqlite(call: Call) -> Effect:
    words = operands(call.args, "-cmd", "-separator", "-newline", "-nullvalue", "-init")
    statements = words[1:] + [call.args[at + 1] for at, word in enumerate(call.args[:-1]) if word == "-cmd"]
    if statements:
        return combined([_statements(text) for text in statements])
    return judge_stdin(call, _statements, "SQL")


_DOT_READS = names(
    "tables schema headers header mode databases indexes indices width show help quit exit dump timer explain stats"
    " print echo bail nullvalue separator dbinfo fullschema eqp changes limit lint selftest sha3sum timeout"
)
_META_READS = re.compile(r"\\(?:d|l|q|x|conninfo|timing|z|sf|sv|encoding|pset|a|t|h|\?|echo)")


def _statements(text: str) -> Effect:
    """SQL mixed with the shells' own commands: ``.tables`` (sqlite), ``\\dt`` (psql)."""
    sql: list[str] = []
    for line in text.splitlines():
        word = line.strip()
        if word.startswith("."):
            if word[1:].split(" ")[0] not in _DOT_READS:
                return changes(f"sqlite {shown(word.split(' ')[0], 20)}", "edit")
        elif word.startswith("\\"):
            if not _META_READS.match(word):
                return changes(f"psql {shown(word.split(' ')[0], 20)}", "edit")
        else:
            sql.append(line)
    return judge_sql(["\n".join(sql)])


_REDIS_READS = names(
    "get mget keys scan exists type ttl pttl strlen llen lrange lindex hget hgetall hmget hkeys hvals hlen smembers"
    " scard sismember zrange zcard zscore zrank ping info dbsize time memory object echo xlen xrange getrange bitcount"
    " pfcount randomkey lastsave monitor slowlog command"
)


def redis(call: Call) -> Effect:
    words = [word.lower() for word in operands(call.args, "-h", "-p", "-a", "-n", "-u", "--user", "--pass")]
    if words and (words[0] in _REDIS_READS or words[:2] == ["config", "get"]):
        return READS_ONLY
    return changes(f"redis {shown(words[0].upper(), 20)}" if words else "redis commands that are not seen", "edit")
