# SPDX-License-Identifier: Apache-2.0
"""The house rules that a machine can check: layers, licences, sizes, manuals.

A rule is a function that takes the project's root and yields complaints, "path:line: what".
test_house_rules.py runs each on the project, and on a good and a bad sample of its own.
"""
import pathlib
import re
import subprocess

CODE_FOLDERS = ("include", "src", "extensions", "examples")
ALL_FOLDERS = CODE_FOLDERS + ("tests", "bench", "demo", "docs", "dist")
DAEMONS = ("manager", "flowd")
# The numbers of src/wire/table.h that make a flow's record.
FLOW_KEYS = (*range(16, 42), *range(54, 59), 66, 80, *range(83, 87), 113, 121, *range(123, 126))
VERBS = ("run", "status", "doctor", "session", "set", "ask", "rules", "flow", "extension", "chain", "secret", "key")
# The codes of src/bundle/check.h, as it abbreviates them.
CODES = {"_SIGNATURE": "8", "_VALIDATION": "9"}

# How methods begin that change nothing.
TELLING = ("Get", "List", "Explain", "Inspect", "Follow", "Watch")

FUNCTION_LINES_LONG = 100
FUNCTION_LINES_MAX = 120
LONG_FUNCTIONS_SHARE = 0.02
FILE_LINES_MAX = 900

INCLUDE = re.compile(r'^\s*#\s*include\s*(?:<([^>]+)>|"([^"]+)")')
STANDARD_HEADERS = {"stdbool.h", "stddef.h", "stdint.h", "sys/types.h"}
LIBRARY_HEADER = re.compile(
    r"(systemd|archive|bpf|libmnl|libnftnl|libnetfilter_queue|nftables|ldns|openssl|plist|nghttp2)/"
    r"|(jansson|archive|archive_entry|gelf|libelf|seccomp|cap-ng|sqlite3|cmocka)\.h$")


def files(root, folders, *suffixes):
    """Files of the project below folders, without what builds leave behind."""
    for folder in folders:
        for path in sorted((root / folder).rglob("*")):
            parts = path.relative_to(root).parts
            if any(part.startswith(("build", ".", "__pycache__")) for part in parts):
                continue
            if path.is_file() and path.name.endswith(suffixes):
                yield path


def lines(path):
    return path.read_text("utf-8", "replace").splitlines()


def complaint(root, path, line, what):
    return f"{path.relative_to(root)}:{line}: {what}"


# --- who may include whom ----------------------------------------------------------------


def resolve(root, path, name):
    """The project's file that an include means, relative to the root, or None."""
    parts = path.relative_to(root).parts
    bases = ["src", "include", "extensions", "examples"]
    if parts[0] == "src" and parts[1] in DAEMONS:
        bases.insert(0, f"src/{parts[1]}")
    for base in bases:
        if (root / base / name).is_file():
            return (pathlib.Path(base) / name).as_posix()
    if (path.parent / name).is_file():
        return (path.parent / name).relative_to(root).as_posix()
    return None


def may_include(where, target):
    """Whether a file at where may include the project's file target (both relative paths)."""
    layer = where.split("/")
    if target.startswith("include/netext/"):
        return layer[0] != "src" or layer[1] not in ("base", "bpf")
    if layer[0] in ("include",):
        return False
    if layer[0] == "extensions":
        return target.startswith((f"extensions/{layer[1]}/", "extensions/common/"))
    if layer[0] == "examples":
        return target.startswith(f"examples/{layer[1]}/")
    own = f"src/{layer[1]}/"
    allowed = {
        "base": (own,),
        "wire": (own, "src/base/"),
        "footprint": (own, "src/base/"),
        "reset": (own, "src/footprint/", "src/base/"),
        "sdk": (own, "src/footprint/", "src/wire/", "src/base/"),
        "confine": (own, "src/base/"),
        "bundle": (own, "src/confine/", "src/wire/", "src/base/"),
        "keys": (own, "src/confine/", "src/wire/", "src/base/"),
        "cli": (own, "src/bundle/", "src/footprint/"),
        "bpf": (own,),
        "manager": (own, "src/bundle/", "src/footprint/", "src/wire/", "src/base/"),
        "flowd": (own, "src/footprint/", "src/wire/", "src/base/"),
    }.get(layer[1], ())
    if where.endswith(".abi.h") or (layer[1] in (*DAEMONS, "reset") and target.startswith("src/bpf/")):
        return target.endswith(".abi.h")
    return target.startswith(allowed)


def may_include_system(where, name):
    """Whether a file at where may include <name>, which is not ours."""
    if where.startswith("include/"):
        return name in STANDARD_HEADERS
    if where.endswith(".abi.h"):
        return name == "linux/types.h"
    if where.startswith("src/bpf/"):
        return name.startswith(("bpf/", "linux/")) or name in STANDARD_HEADERS
    if where.startswith(("src/base/", "src/wire/")):
        is_test = where.rpartition("/")[2].startswith("test-")
        return not LIBRARY_HEADER.match(name) or (is_test and name == "cmocka.h")
    return True


def check_include(root, path, system, own):
    """What is wrong with one include, or None."""
    where = path.relative_to(root).as_posix()
    if system:
        if system.startswith("netext/"):
            if not may_include(where, f"include/{system}"):
                return f"<{system}> is of a layer that this one may not know"
        elif not may_include_system(where, system):
            return f"<{system}> is not for this layer"
        return None
    if own == "vmlinux.h":
        return None if where.startswith("src/bpf/") else "vmlinux.h is for BPF programs"
    if own.startswith("netext/"):
        return f'"{own}" is public: write <{own}>'
    if "/" not in own and not own.endswith(".skel.h"):
        single_file = where.startswith("examples/")
        return None if single_file else f'"{own}" does not say its folder'
    if own.endswith(".skel.h"):
        return None if where.startswith("src/flowd/") else f'"{own}" is for netext-flowd'
    target = resolve(root, path, own)
    if target is None:
        return f'"{own}" is no file of the project'
    if not may_include(where, target):
        return f'"{own}" is of a layer that this one may not know'
    return None


def include_layers(root):
    """Include lines follow the table "Who may include whom"."""
    for path in files(root, CODE_FOLDERS, ".c", ".h"):
        for number, line in enumerate(lines(path), 1):
            match = INCLUDE.match(line)
            what = match and check_include(root, path, *match.groups())
            if what:
                yield complaint(root, path, number, what)


def daemon_edges(root, daemon):
    """Which folder of a daemon includes which other: {(from, to): where}."""
    top, edges = f"src/{daemon}/", {}
    for path in files(root, (top,), ".c", ".h"):
        source = path.relative_to(root).as_posix()[len(top):]
        for number, line in enumerate(lines(path), 1):
            match = INCLUDE.match(line)
            target = match and match.group(2) and resolve(root, path, match.group(2))
            if not target or not target.startswith(top) or "/" not in source:
                continue
            target = target[len(top):]
            if "/" in target and source.split("/")[0] != target.split("/")[0]:
                edges.setdefault((source.split("/")[0], target.split("/")[0]), f"{top}{source}:{number}")
    return edges


def folder_cycles(root):
    """The folders of a daemon lie one on the other: none includes one that includes it."""
    for daemon in DAEMONS:
        edges = daemon_edges(root, daemon)
        below = {}
        for source, target in edges:
            below.setdefault(source, set()).add(target)
        for (source, target), where in sorted(edges.items()):
            seen, todo = set(), [target]
            while todo:
                folder = todo.pop()
                if folder not in seen:
                    seen.add(folder)
                    todo.extend(below.get(folder, ()))
            if source in seen:
                yield f"{where}: {source}/ includes {target}/, which includes {source}/ again"


# --- what stands in a file ---------------------------------------------------------------


def licence_of(path):
    return "GPL-2.0-only" if path.name.endswith((".bpf.c", ".bpf.h")) or (
        path.parent.name == "bpf" and path.name == "kernel.h") else "Apache-2.0"


def licences(root):
    """The licence stands on line one (two below a #!): GPL-2.0-only for BPF, else Apache-2.0."""
    for path in files(root, ALL_FOLDERS, ".c", ".h", ".py", ".sh"):
        text = lines(path)
        number = 1 if text and text[0].startswith("#!") else 0
        line = text[number] if number < len(text) else ""
        match = re.fullmatch(r"(?:/\*|//|#) SPDX-License-Identifier: (\S+)(?: \*/)?", line)
        if not match:
            yield complaint(root, path, number + 1, "no SPDX-License-Identifier here")
        elif match.group(1) != licence_of(path):
            yield complaint(root, path, number + 1, f"is {match.group(1)}, has to be {licence_of(path)}")


def pragma_once(root):
    """Headers have #pragma once, behind the licence."""
    for path in files(root, CODE_FOLDERS + ("bench",), ".h"):
        if "#pragma once" not in lines(path)[:3]:
            yield complaint(root, path, 2, "no #pragma once behind the licence")


def typedefs(root):
    """No typedef hides that something is a struct, union or enum."""
    for path in files(root, CODE_FOLDERS + ("bench", "tests"), ".c", ".h"):
        for number, line in enumerate(lines(path), 1):
            if re.match(r"\s*typedef\s+(struct|union|enum)\b", line):
                yield complaint(root, path, number, "a typedef of a struct, union or enum")


def unfinished(root):
    """What is not done is not there."""
    words = re.compile(r"\b(TO" r"DO|FIX" r"ME|X" r"XX|HA" r"CK)\b")
    for path in files(root, ALL_FOLDERS, ".c", ".h", ".py", ".sh", ".build", ".md", ".1", ".5", ".7", ".8"):
        for number, line in enumerate(lines(path), 1):
            if words.search(line):
                yield complaint(root, path, number, f"says {words.search(line).group()}")


# --- sizes -------------------------------------------------------------------------------


def functions(root):
    """Every C function that is not a test's: (path, line, name, length)."""
    paths = [path for path in files(root, CODE_FOLDERS, ".c", ".h") if not path.name.startswith("test-")]
    if not paths:
        return
    done = subprocess.run(
        ["ctags", "--languages=C", "--langmap=C:.c.h", "--kinds-C=f", "--fields=+ne", "-L", "-", "-f", "-"],
        input="\n".join(map(str, paths)), capture_output=True, text=True, check=True)
    for tag in done.stdout.splitlines():
        if tag.startswith("!"):
            continue
        name, path = tag.split("\t")[:2]
        fields = dict(field.split(":", 1) for field in tag.split("\t")[3:] if ":" in field)
        if "end" in fields:
            start, end = int(fields["line"]), int(fields["end"])
            yield pathlib.Path(path), start, name, end - start + 1


def function_sizes(root):
    """No function above 120 lines, and less than 2 % above 100."""
    found = list(functions(root))
    long = [function for function in found if function[3] > FUNCTION_LINES_LONG]
    for path, line, name, length in long:
        if length > FUNCTION_LINES_MAX or len(long) >= LONG_FUNCTIONS_SHARE * len(found):
            yield complaint(root, path, line, f"{name}() has {length} lines")


def file_sizes(root):
    """No source file above 900 lines."""
    for path in files(root, ALL_FOLDERS, ".c", ".h", ".py", ".sh"):
        n_lines = len(lines(path))
        if n_lines > FILE_LINES_MAX:
            yield complaint(root, path, n_lines, f"{n_lines} lines")


# --- what is documented ------------------------------------------------------------------


def public_headers(root):
    """A public header begins with a docstring that says what it is for."""
    for path in files(root, ("include",), ".h"):
        text = path.read_text("utf-8")
        match = re.match(r"/\*[^\n]*\n#pragma once\n\n/\*\*\n \* @file netext/(\S+)\n \*\n \* \S", text)
        if not match:
            yield complaint(root, path, 4, "no docstring '@file netext/NAME' with a text")
        elif match.group(1) != path.name:
            yield complaint(root, path, 5, f"its docstring is that of {match.group(1)}")


def source_comments(root):
    """A source file begins with a comment on what it is responsible for."""
    for path in files(root, CODE_FOLDERS, ".c"):
        if not re.match(r"(?:/\*|//) SPDX[^\n]*\n\s*/\*", path.read_text("utf-8")):
            yield complaint(root, path, 2, "no opening comment behind the licence")


def programs(root):
    """Names of the programs that are installed, as their pages are called."""
    for path in files(root, ("src", "extensions"), "meson.build"):
        prefix = "netext-" if path.relative_to(root).parts[0] == "extensions" else ""
        for name in re.findall(r"\bexecutable\(\s*'([^']+)'", path.read_text("utf-8")):
            yield prefix + name


def man_pages(root):
    """Each program has its page, and each verb of netextctl its page or its heading."""
    pages = {path.stem: path for path in (root / "docs" / "man").glob("*.[1-8]")}
    for program in programs(root):
        if program not in pages:
            yield f"docs/man: no page for {program}"
    text = pages["netextctl"].read_text("utf-8") if "netextctl" in pages else ""
    for verb in VERBS:
        heading = re.search(rf"^\.(It Cm|It Ic|It Nm netextctl|Ss|Sh|TP\n\.B)\s+\"?(netextctl )?{verb}\b",
                            text, re.MULTILINE | re.IGNORECASE)
        if f"netextctl-{verb}" not in pages and not heading:
            yield f"docs/man: neither netextctl-{verb} nor a heading for '{verb}' in netextctl"


def words_of_records(root):
    """Keys of a flow's record, and reasons for its verdict, by the tables that the programs use."""
    table, names = (root / "src" / "wire" / name for name in ("table.h", "names.c"))
    if table.exists():
        text = table.read_text("utf-8")
        identity = [key for number, key in re.findall(r'ATTR\((\d+), \w+, \w+, "(\w+)"', text)
                    if int(number) in FLOW_KEYS]
        yield from identity
    if names.exists():
        yield from re.findall(r'WIRE_REASON_\w+, "([\w-]+)"', names.read_text("utf-8"))


def documented_words(root):
    """Every key of a flow's record and every reason has its entry in netext(7)."""
    page = root / "docs" / "man" / "netext.7"
    text = page.read_text("utf-8") if page.exists() else ""
    for word in words_of_records(root):
        if not re.search(rf"^\.(It|\w+) .*\b{re.escape(word)}\b", text, re.MULTILINE):
            yield f"docs/man/netext.7: no entry for '{word}'"


def bundle_checks(root):
    """Names and codes of the checks that are made of bundles."""
    header = root / "src" / "bundle" / "check.h"
    text = header.read_text("utf-8") if header.exists() else ""
    codes = {**CODES, **dict(re.findall(r"(BUNDLE_CODE_\w+) = (\d+)", text))}
    for name, code in re.findall(r'CHECK\(\w+,\s*"([\w.]+)",[\s\\]*(\w+)', text):
        yield name, codes.get(code, code)


def documented_checks(root):
    """Every check of a bundle has its entry in netext-bundle(5), with its code and what to do (L24)."""
    page = root / "docs" / "man" / "netext-bundle.5"
    text = page.read_text("utf-8") if page.exists() else ""
    for name, code in bundle_checks(root):
        if not re.search(rf"^\.It Li {re.escape(name)} Pq {code}\n(?!\.(It|El))", text, re.MULTILINE):
            yield f"docs/man/netext-bundle.5: no entry for '{name}' with code {code}"


def documented_actions(root):
    """Every action that polkit is asked about is in what polkit reads, and in netextd(8)."""
    source = root / "src" / "manager" / "authority" / "authority.c"
    for action in re.findall(r'"(org\.netext1\.[\w.]+)"', source.read_text("utf-8") if source.exists() else ""):
        for where, line in (("dist/polkit/org.netext1.policy", f'<action id="{action}">'),
                            ("docs/man/netextd.8", f".It Sy {action} Ta ")):
            path = root / where
            if line not in (path.read_text("utf-8") if path.exists() else ""):
                yield f"{where}: nothing about {action}"


# --- who may do what -----------------------------------------------------------------------


def guarded_methods(root):
    """A method of the control API that does not only tell is in the table of changes, or of root."""
    path = root / "src" / "manager" / "control" / "manager-interface.c"
    text = path.read_text("utf-8") if path.exists() else ""
    changes = re.findall(r'^        \{ "(\w+)", AUTHORITY_', text, re.MULTILINE)
    of_root = re.findall(r'^        \{ "(\w+)", \w+ \},$', text, re.MULTILINE)
    for match in re.finditer(r'SD_BUS_METHOD_WITH_ARGS\(\s*"(\w+)",.*?(\w+),\s*0\)', text, re.DOTALL):
        method, handler = match.groups()
        if (handler == "change_something" and method in changes) or (handler == "for_root" and method in of_root):
            continue
        if handler in ("change_something", "for_root") or not method.startswith(TELLING):
            yield complaint(root, path, text.count("\n", 0, match.start()) + 1, f"anybody may call {method}")
