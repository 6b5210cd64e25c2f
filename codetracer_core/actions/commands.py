"""Which program a simple command calls, and what that program does: explore or change.

A program stands in one table: ``HANDLERS`` and ``FAMILIES`` where its arguments decide, ``READERS``,
``TEST_RUNNERS`` and ``CHANGERS`` where it always does the same. What no table knows counts as change, and so
does a script of the agent's or the project's own: it may do anything.
"""

import re
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

from codetracer_core.actions import agents, databases, languages, programs, starters
from codetracer_core.actions.effects import CHECKS, Effect, Purpose, changes, explores, shown
from codetracer_core.actions.families import FAMILIES, judge_family, judge_git, judge_tests
from codetracer_core.actions.options import (
    Call,
    Handler,
    asks_for_help,
    asks_help_of,
    names,
    operands,
    paths,
    runs_script,
    value_of,
)

T = TypeVar("T")
_STARTS_DEEP = 12


def judge_command(call: Call) -> Effect:
    """The effect of one simple command, through sudo, timeout, xargs … to what they start."""
    for _ in range(_STARTS_DEEP):
        result = _judge_once(call)
        if isinstance(result, Effect):
            return result
        call = result
    return changes("starts commands within commands, too deep to follow")


def _judge_once(call: Call) -> Effect | Call:
    path = call.name
    name = _program(path)
    if name is None:
        return runs_script(path, call.args)
    call = replace(call, words=(name, *call.args))
    if (purpose := READERS.get(name)) is not None:
        return explores(_READER_REASONS[purpose], purpose, paths(call.args))
    if asks_for_help(call.args) and not _passes_on_help(name, call.args):
        return asks_help_of(name)
    if (handler := HANDLERS.get(name)) is not None:
        return handler(call)
    if (family := FAMILIES.get(name)) is not None:
        return judge_family(call, family)
    if (verb := CHANGERS.get(name)) is not None:
        return _changed(call, verb)
    if name in TEST_RUNNERS:
        return judge_tests(name, call.args)
    return changes(f"unknown command {shown(name, 40)} counts as change")


_BINARY_FOLDER = re.compile(r"(?:^|/)(?:s?bin|\.bin|condabin|shims|Scripts)/[^/]+$")
_VERSIONED = re.compile(
    r"(python|pypy|pip|pytest|ruby|perl|php|node|lua|gcc|g\+\+|clang|clang\+\+|java)-?[\d.]+(?:-\d+)?t?"
)
_OTHER_H = names("shutdown halt sort")  # -h is something else there
_OTHER_V = names("pytest py.test nosetests nose2 unittest green trial stestr ward tox nox prove ctest bin/test ninja")
_STARTING_WORDS = names("run exec x dlx")
_SCRIPTS_OF_TOOLS = frozenset({"gradlew", "mvnw", "manage.py", "runtests.py", "setup.py"})


def _passes_on_help(name: str, args: tuple[str, ...]) -> bool:
    """Do the words that look like a call for help mean something else there, or go to what is started?"""
    return (
        (name in STARTERS and args not in (("--help",), ("--version",)))
        or (name in INTERPRETERS and len(args) > 1)
        or (name in FAMILIES and args[0] in _STARTING_WORDS and len(args) > 2)
        or (name in _OTHER_H and args == ("-h",))
        or (name in _OTHER_V and args in (("-v",), ("-V",)))
    )


def _program(path: str) -> str | None:
    """The program that a first word names; None for a script of the agent's or the project's own."""
    name = path.rpartition("/")[2]
    if "/" in path:
        if name == "test":  # ``bin/test`` is a project's test runner, not the shell's ``test``
            return "bin/test" if path.endswith("bin/test") and not path.startswith("/") else name
        if name not in _SCRIPTS_OF_TOOLS and not _BINARY_FOLDER.search(path):
            return None
    match = _VERSIONED.fullmatch(name)
    return match[1] if match else name


def _each(names: str, value: T) -> dict[str, T]:
    return dict.fromkeys(names.split(), value)


READERS: dict[str, Purpose] = {
    **_each(
        "cat tac head tail less more most bat batcat nl wc cut tr paste rev fold fmt column expand unexpand comm cmp"
        " diff diff3 colordiff sdiff zdiff join look strings od hexdump hd file stat ls ll la dir vdir exa eza lsd tree"
        " du df pwd readlink realpath md5sum sha1sum sha224sum sha256sum sha384sum sha512sum shasum b2sum cksum sum md5"
        " base64 base32 zcat bzcat xzcat zstdcat lz4cat zless zmore jq nm objdump readelf ldd size addr2line c++filt"
        " id whoami who w users groups uname arch nproc uptime free vmstat iostat mpstat lscpu lsblk blkid lsof lsmod"
        " lspci lsusb lshw dmidecode ps pgrep pidof pstree top htop netstat ss ping ping6 traceroute tracepath mtr dig"
        " nslookup host whois getent getfacl getconf locale printenv which whereis type hash apropos man info whatis"
        " tldr cal seq shuf bc dc expr factor numfmt basename dirname tty logname last lastlog finger apt-cache ffprobe"
        " identify pdfinfo pdffonts exif mediainfo zipinfo cloc scc tokei sloc pydoc pydoc3 perldoc ri javap jps jstack"
        " jmap nvidia-smi rocm-smi sensors ipcs lslocks findmnt mountpoint jobs dirs history csvlook csvcut csvstat"
        " csvgrep xsv gron glow tput dpkg-query rpmquery lsb_release uuidgen mysqlshow pg_isready cpuid capinfos"
        " checksec ROPgadget envsubst infocmp sw_vers vm_stat msgunfmt apt-config getcap pathchk units yes help sar atq"
        " loginctl arp pkg-config nmap"
        # SWE-agent's own commands, which stand where shell commands stand
        " open goto scroll_up scroll_down set_cursors view_image filemap decompile disassemble",
        "read",
    ),
    **_each(
        "grep egrep fgrep rgrep zgrep zegrep bzgrep xzgrep rg ripgrep ag ack ack-grep locate plocate pcregrep ugrep"
        " search_dir search_file find_file search_repo",
        "search",
    ),
    **_each(
        "flake8 pyflakes pylint pycodestyle pydocstyle mypy pyright basedpyright pytype vulture bandit radon shellcheck"
        " cppcheck hadolint yamllint jsonlint markdownlint cpplint rstcheck doc8 checkbashisms actionlint golint"
        " staticcheck errcheck lint-imports phpstan psalm checkstyle luacheck",
        "test",
    ),
    **_each(
        "cd pushd popd true false : test [ [[ set unset export declare typeset local readonly alias unalias shopt umask"
        " ulimit return exit logout break continue shift let getopts read mapfile readarray times enable caller compgen"
        " complete compopt bind clear reset stty deactivate rehash sync",
        "shell",
    ),
    **_each("sleep usleep wait", "wait"),
    **_each("think", "plan"),
    **_each(
        "submit exit_forfeit exit_cost exit_context exit_error exit_format exit_api exit_command"
        " exit_total_execution_time exit_environment_error",
        "submit",
    ),
}
"""Programs that change nothing, whatever their arguments, by what they are for."""

_READER_REASONS: dict[Purpose, str] = {
    "read": "reads only",
    "search": "searches only",
    "test": CHECKS,
    "shell": "stays within the shell",
    "wait": "waits",
    "plan": "thinks, nothing runs",
    "submit": "ends the run",
}

TEST_RUNNERS = names(
    "pytest py.test tox nox nose nosetests nosetests3 nose2 trial green stestr unittest jest mocha vitest ava tap karma"
    " cypress ctest rspec cucumber phpunit pest paratest codecept prove behave robot pabot bats gotestsum ginkgo busted"
    " bin/test doctest testem ward runtests.py"
)


@dataclass(frozen=True, slots=True)
class Verb:
    """What a changing program does. ``what`` says which words to name: its operands (all, or those behind the first),
    the last one, or itself."""

    text: str
    purpose: Purpose = "edit"
    what: Literal["operands", "behind the first", "last", "program"] = "operands"


CHANGERS: dict[str, Verb] = {
    **_each("rm rmdir unlink shred srm trash trash-put", Verb("deletes")),
    **_each("mv", Verb("moves to", what="last")),
    **_each("rename prename mmv", Verb("renames files", what="program")),
    **_each("cp install rcp ditto", Verb("copies into", what="last")),
    **_each("ln", Verb("links", what="last")),
    **_each("mkdir touch mkfifo mknod mktemp create", Verb("creates")),
    **_each("truncate fallocate", Verb("sets the size of", what="last")),
    **_each("chmod chown chgrp setfacl chattr setcap chcon", Verb("changes the rights of", what="behind the first")),
    **_each("split csplit", Verb("splits")),
    **_each("sponge dos2unix unix2dos strip ex ed", Verb("edits")),
    **_each("patchelf objcopy", Verb("edits", what="last")),
    **_each("edit insert append undo_edit", Verb("edits the open file", what="program")),
    **_each("pkill killall xkill skill", Verb("stops processes", "run", "program")),
    **_each("reboot shutdown poweroff halt init telinit", Verb("stops or restarts the machine", "run", "program")),
    **_each(
        "useradd userdel usermod groupadd groupdel groupmod adduser deluser addgroup passwd chpasswd chsh visudo",
        Verb("changes accounts", "run", "program"),
    ),
    **_each("nft setenforce modprobe insmod rmmod", Verb("changes the system", "run", "program")),
    **_each("mkfs mkfs.ext4 mkswap parted swapoff umount losetup", Verb("changes disks or mounts", "run", "program")),
    **_each(
        "rustc javac kotlinc scalac ghc ocamlc ocamlopt ocamlfind coqc nasm as ld fpc dmd ldc2 swiftc valac nvcc"
        " ranlib cython cythonize protoc flex lex bison yacc ninja scons meson autoconf automake autoreconf aclocal"
        " libtoolize qmake latex pdflatex xelatex lualatex latexmk bibtex tectonic mkdocs sphinx-build doxygen webpack"
        " vite rollup esbuild parcel gulp grunt msbuild xcodebuild ant pyinstaller mdbook hugo jekyll cmake-gui",
        Verb("builds", "build", "program"),
    ),
    **_each(
        "emacs nano pico vi vim nvim gvim micro joe ne mcedit kak hx vimdiff code",
        Verb("opens an editor, what is typed there is not seen:"),
    ),
    **_each("scp sftp ftp lftp tftp rclone", Verb("transfers files", "network", "program")),
    **_each(
        "telnet socat mosh connect_start connect_sendline connect_exec connect_stop",
        Verb("talks to another machine", "network", "program"),
    ),
    **_each("aria2c axel youtube-dl yt-dlp gdown huggingface-cli hf", Verb("downloads", "network", "program")),
    **_each("batch cron crond", Verb("schedules jobs", "run", "program")),
    **_each(
        "ssh-copy-id ssh-add gpg-agent certbot mkcert htpasswd",
        Verb("changes keys or credentials", "run", "program"),
    ),
    **_each(
        "update-ca-certificates locale-gen dpkg-reconfigure a2ensite a2enmod update-rc.d",
        Verb("changes the system's setup", "install", "program"),
    ),
    **_each(
        "redis-server mysqld postgres pg_ctl mongod gunicorn uvicorn hypercorn"
        " flask streamlit jupyter supervisord dockerd memcached caddy php-fpm nodemon pm2",
        Verb("starts or controls a server", "run", "program"),
    ),
    **_each(
        "gdb lldb rr dlv debug_start debug_add_breakpoint debug_continue debug_step debug_exec debug_stop",
        Verb("runs a program under a debugger", "run", "program"),
    ),
    **_each("fg bg disown", Verb("resumes or detaches a program", "run", "program")),
}
"""Programs that change state, whatever their arguments."""


def _changed(call: Call, verb: Verb) -> Effect:
    words = operands(call.args)[verb.what == "behind the first" :]
    if verb.what == "last" and words:
        words = [value_of(call.args, "-t", "--target-directory") or words[-1]]
    if verb.what == "program" or not words:
        return changes(f"{verb.text.rstrip(':').removesuffix(' of')} ({call.name})", verb.purpose, paths(call.args))
    more = f" and {len(words) - 1} more" if len(words) > 1 else ""
    return changes(f"{verb.text} {shown(words[0])}{more}", verb.purpose, words[:4])


STARTERS: dict[str, Handler] = {
    **_each(
        "nohup setsid unbuffer builtin exec catchsegv valgrind fakeroot proot busybox dumb-init tini eatmydata uvx",
        starters.starts_other(alone=explores("stays within the shell", "shell")),
    ),
    **_each("timeout gtimeout", starters.starts_other("-s", "-k", "--signal", "--kill-after", skips=1)),
    **_each("nice ionice", starters.starts_other("-n", "-c", "-p", "--adjustment")),
    **_each("chroot gosu su-exec taskset chrt", starters.starts_other("-p", skips=1)),
    "flock": starters.starts_other("-w", "-E", "--timeout", skips=1),
    "stdbuf": starters.starts_other("-i", "-o", "-e"),
    "xvfb-run": starters.starts_other("-s", "-n", "-f", "-e", "--server-args", "--server-num"),
    "doas": starters.starts_other("-u", "-C"),
    **_each("npx pnpx bunx", starters.npx),
    **_each("time strace ltrace", starters.traced),
    "command": starters.command,
    "env": starters.env,
    "sudo": starters.sudo,
    "watch": starters.watch,
    **_each("xargs parallel", starters.xargs),
    **_each("bash sh zsh dash ash ksh fish", starters.shell),
    **_each("su runuser", starters.su),
    "ssh": starters.ssh,
    "eval": starters.evaluate,
    "trap": starters.trap,
    **_each("find gfind", programs.find),
    **_each("fd fdfind", programs.fd),
    **_each("echo printf", agents.echo),
    **_each("apply_patch applypatch", agents.apply_patch),
}
"""Programs whose words behind their own options are another command (or plain text): ``--help`` there is not theirs."""

INTERPRETERS: dict[str, Handler] = {
    **_each("python python2 python3 pypy pypy3 ipython ipython3", languages.python),
    **_each(
        "node nodejs ts-node tsx",
        languages.interpreter("JavaScript", "-e", "-p", "--eval", "--print", checks=("--check",)),
    ),
    "perl": languages.interpreter("Perl", "-e", "-E", checks=("-c",)),
    "ruby": languages.interpreter("Ruby", "-e", checks=("-c",)),
    "php": languages.interpreter("PHP", "-r", checks=("-l",)),
    **_each("Rscript R", languages.interpreter("R", "-e")),
    "julia": languages.interpreter("Julia", "-e", "-E"),
    **_each("lua luajit", languages.interpreter("Lua", "-e")),
}
"""Programs that run the script behind their own options: ``--help`` behind that is the script's."""

HANDLERS: dict[str, Handler] = {
    **STARTERS,
    **INTERPRETERS,
    **_each("source .", starters.source),
    **_each("sed gsed", programs.sed),
    **_each("awk gawk mawk nawk", programs.awk),
    "tee": programs.tee,
    "dd": programs.dd,
    "yq": programs.writes_with("-i", "--inplace", "--in-place", does="edits files"),
    **_each("sort iconv pandoc xmllint", programs.writes_to("-o", "--output")),
    **_each("tcpdump tshark", programs.writes_to("-w")),
    "uniq": programs.writes_operand(1, "-f", "-s", "-w"),
    "xxd": programs.writes_operand(1, "-c", "-g", "-l", "-o", "-s", "-cols", "-len", "-seek"),
    **_each("convert magick pdftoppm tesseract sox", programs.writes_operand(-1, "-f", "-l", "-r")),
    "pdftotext": programs.pdftotext,
    "ffmpeg": programs.ffmpeg,
    "exiftool": programs.exiftool,
    **_each("pg_dump mysqldump", programs.writes_to("-f", "--file", "-r", "--result-file")),
    "binwalk": programs.writes_with("-e", "--extract", "-M", does="unpacks files"),
    "ar": programs.reads_with("t", "tv", "p", otherwise="builds", purpose="build"),
    "ctags": programs.reads_with("-x", otherwise="writes tags"),
    "git": judge_git,
    "curl": programs.curl,
    "wget": programs.wget,
    "rsync": programs.rsync,
    **_each("aws gcloud az", programs.cloud),
    **_each("manage.py django-admin", languages.manage),
    "setup.py": languages.setup_py,
    "coverage": languages.coverage,
    "java": languages.java,
    **_each("tar bsdtar gtar", programs.tar),
    "unzip": programs.reads_with("-l", "-t", "-p", "-v", "-Z", "-z", otherwise="unpacks an archive"),
    "zip": programs.reads_with("-T", "-sf", otherwise="writes an archive"),
    "cpio": programs.reads_with("-t", "--list", otherwise="unpacks or writes an archive"),
    **_each("7z 7za 7zr rar unrar", programs.reads_with("l", "t", "-so", otherwise="unpacks or writes an archive")),
    **_each(
        "gzip gunzip bzip2 bunzip2 xz unxz zstd unzstd lz4 unlz4 lzma unlzma pigz brotli compress uncompress",
        programs.compressor,
    ),
    **_each("make gmake", programs.make),
    **_each("gradle gradlew", programs.gradle),
    **_each("mvn mvnw", programs.maven),
    "cmake": programs.reads_with("-N", "--system-information", "--list-presets", otherwise="builds", purpose="build"),
    **_each("gcc g++ cc c++ clang clang++ tcc gfortran", programs.compiler),
    **_each("black isort autoflake pyupgrade docformatter rustfmt", programs.formatter),
    **_each(
        "prettier gofmt goimports clang-format autopep8 yapf shfmt",
        programs.writes_with("-w", "--write", "-i", "--in-place", does="formats files"),
    ),
    "ruff": programs.ruff,
    "tsc": programs.typescript,
    **_each(
        "eslint stylelint rubocop standard biome golangci-lint clang-tidy ktlint swiftlint tslint",
        programs.writes_with(
            *("--fix", "--fix-errors", "-a", "-A", "--autocorrect", "--apply", "--write", "-fix"),
            does="edits files",
            looks=explores(CHECKS, "test"),
        ),
    ),
    **_each(
        "nginx apache2 httpd apachectl sshd haproxy",
        programs.reads_with("-t", "-T", "configtest", otherwise="starts or controls a server", purpose="run"),
    ),
    "patch": programs.patch,
    **_each("psql mysql mariadb clickhouse-client duckdb", databases.sql_shell),
    **_each("sqlite3 sqlite", databases.sqlite),
    "redis-cli": databases.redis,
    "kill": programs.kill,
    "service": programs.service,
    **_each("hostname domainname", programs.changes_with_operands("sets the name of the machine")),
    "mount": programs.changes_with_operands("changes disks or mounts"),
    **_each("ip ifconfig route", programs.network_setup),
    **_each("nc ncat netcat", programs.reads_with("-z", otherwise="talks to another machine", purpose="network")),
    "ldconfig": programs.reads_with("-p", "--print-cache", otherwise="changes the system's setup", purpose="install"),
    "update-alternatives": programs.reads_with(
        *("--list", "--display", "--query", "--get-selections"),
        otherwise="changes the system's setup",
        purpose="install",
    ),
    "ssh-keygen": programs.reads_with("-l", "-F", "-y", "-B", otherwise="changes keys", purpose="run"),
    "sysctl": programs.sysctl,
    "date": programs.date,
    "dmesg": programs.writes_with("-C", "-c", "--clear", does="clears the kernel's messages", purpose="run"),
    "journalctl": programs.writes_with("--vacuum-size", "--vacuum-time", "--rotate", does="drops logs", purpose="run"),
    "crontab": programs.reads_with("-l", otherwise="changes scheduled jobs", purpose="run"),
    "screen": programs.reads_with("-ls", "-list", otherwise="controls a terminal session", purpose="run"),
    **_each(
        "hostnamectl timedatectl localectl",
        programs.changes_with_operands("changes the system's setup", "status", "show", "list-timezones"),
    ),
    **_each(
        "iptables ip6tables ufw",
        programs.reads_with("-L", "-S", "--list", "status", otherwise="changes the firewall", purpose="run"),
    ),
    **_each("fdisk swapon", programs.reads_with("-l", "--show", "-s", otherwise="changes disks", purpose="run")),
    "at": programs.reads_with("-l", otherwise="schedules jobs", purpose="run"),
    "openssl": programs.openssl,
    **_each("gpg gpg2", programs.gpg),
    **_each("dpkg dpkg-deb", programs.dpkg),
    "rpm": programs.rpm,
    "pacman": programs.pacman,
    "apt-key": programs.reads_with("list", otherwise="changes keys", purpose="install"),
    "apt-mark": programs.reads_with("showhold", "showmanual", otherwise="marks packages", purpose="install"),
    "add-apt-repository": programs.reads_with("-L", "--list", otherwise="changes package sources", purpose="install"),
    **_each("str_replace_editor str_replace_based_edit_tool edit_anthropic", agents.editor_command),
}
"""Programs whose arguments decide."""
