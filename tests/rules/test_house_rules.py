# SPDX-License-Identifier: Apache-2.0
"""Runs the house rules on the project, and each on samples that it must like and dislike."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import house_rules as rules  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
APACHE = "/* SPDX-License-Identifier: Apache-2.0 */\n"
GPL = "/* SPDX-License-Identifier: GPL-2.0-only */\n"


def function(length):
    return "int f(void)\n{\n" + "        ;\n" * (length - 3) + "}\n"


def many(count):
    return "".join(f"int f{number}(void)\n{{\n        return {number};\n}}\n" for number in range(count))


def page(*verbs):
    return "".join(f".It Cm {verb}\nDoes it.\n" for verb in verbs)


HEADER = APACHE + "#pragma once\n\n/**\n * @file netext/{}\n *\n * {}\n */\n"
PROGRAM = "netextctl = executable('netextctl',\n  'main.c',\n  install: true)\n"

# (rule, the file that decides, its good text, its bad text, files that stand around it)
SAMPLES = [
    (rules.include_layers, "include/netext/x.h", "#include <stdint.h>\n", "#include <stdio.h>\n", {}),
    (rules.include_layers, "include/netext/x.h", "#include <netext/y.h>\n", '#include "base/list.h"\n',
     {"include/netext/y.h": "", "src/base/list.h": ""}),
    (rules.include_layers, "src/base/x.c", "#include <stdio.h>\n", "#include <systemd/sd-event.h>\n", {}),
    (rules.include_layers, "src/base/x.c", '#include "base/y.h"\n', '#include "wire/y.h"\n',
     {"src/base/y.h": "", "src/wire/y.h": ""}),
    (rules.include_layers, "src/base/x.c", '#include "base/y.h"\n', '#include "y.h"\n', {"src/base/y.h": ""}),
    (rules.include_layers, "src/base/x.c", '#include "base/y.h"\n', '#include "base/gone.h"\n', {"src/base/y.h": ""}),
    (rules.include_layers, "src/base/x.c", "#include <errno.h>\n", "#include <netext/netext.h>\n", {}),
    (rules.include_layers, "src/wire/x.c", "#include <netext/netext.h>\n", '#include "netext/netext.h"\n',
     {"include/netext/netext.h": ""}),
    (rules.include_layers, "src/wire/x.c", '#include "base/y.h"\n', '#include "sdk/y.h"\n',
     {"src/base/y.h": "", "src/sdk/y.h": ""}),
    (rules.include_layers, "src/wire/x.c", "#include <string.h>\n", "#include <cmocka.h>\n", {}),
    (rules.include_layers, "src/wire/test-x.c", "#include <cmocka.h>\n", "#include <jansson.h>\n", {}),
    (rules.include_layers, "src/bpf/x.abi.h", "#include <linux/types.h>\n", "#include <stdint.h>\n", {}),
    (rules.include_layers, "src/bpf/x.abi.h", "#include <linux/types.h>\n", '#include "bpf/y.h"\n', {"src/bpf/y.h": ""}),
    (rules.include_layers, "src/bpf/x.bpf.c", '#include "bpf/x.abi.h"\n', '#include "base/list.h"\n',
     {"src/bpf/x.abi.h": "", "src/base/list.h": ""}),
    (rules.include_layers, "src/bpf/x.bpf.c", "#include <bpf/bpf_helpers.h>\n", "#include <stdio.h>\n", {}),
    (rules.include_layers, "src/flowd/flow/x.c", '#include "bpf/x.abi.h"\n', '#include "bpf/x.bpf.h"\n',
     {"src/bpf/x.abi.h": "", "src/bpf/x.bpf.h": ""}),
    (rules.include_layers, "src/flowd/flow/x.c", '#include "steer/y.h"\n', '#include "manager/y.h"\n',
     {"src/flowd/steer/y.h": "", "src/manager/y.h": ""}),
    (rules.include_layers, "src/manager/x.c", '#include "wire/y.h"\n', '#include "sdk/y.h"\n',
     {"src/wire/y.h": "", "src/sdk/y.h": ""}),
    (rules.include_layers, "src/manager/x.c", '#include "manager/y.h"\n', '#include "x.skel.h"\n', {"src/manager/y.h": ""}),
    (rules.include_layers, "src/sdk/x.c", '#include "wire/y.h"\n', '#include "flowd/y.h"\n',
     {"src/wire/y.h": "", "src/flowd/y.h": ""}),
    (rules.include_layers, "src/cli/x.c", '#include "cli/y.h"\n', '#include "base/y.h"\n',
     {"src/cli/y.h": "", "src/base/y.h": ""}),
    (rules.include_layers, "src/footprint/x.c", '#include "base/y.h"\n', '#include "wire/y.h"\n',
     {"src/base/y.h": "", "src/wire/y.h": ""}),
    (rules.include_layers, "src/reset/x.c", '#include "footprint/y.h"\n', '#include "manager/y.h"\n',
     {"src/footprint/y.h": "", "src/manager/y.h": ""}),
    (rules.include_layers, "src/reset/x.c", '#include "bpf/x.abi.h"\n', '#include "bpf/x.bpf.h"\n',
     {"src/bpf/x.abi.h": "", "src/bpf/x.bpf.h": ""}),
    (rules.include_layers, "extensions/a/x.c", '#include "a/y.h"\n', '#include "b/y.h"\n',
     {"extensions/a/y.h": "", "extensions/b/y.h": ""}),
    (rules.include_layers, "extensions/a/x.c", "#include <netext/filter.h>\n", '#include "wire/y.h"\n',
     {"include/netext/filter.h": "", "src/wire/y.h": ""}),
    (rules.include_layers, "extensions/a/x.c", '#include "common/y.h"\n', '#include "base/y.h"\n',
     {"extensions/common/y.h": "", "src/base/y.h": ""}),
    (rules.include_layers, "extensions/common/x.c", '#include "common/y.h"\n', '#include "a/y.h"\n',
     {"extensions/common/y.h": "", "extensions/a/y.h": ""}),
    (rules.include_layers, "examples/a/x.c", '#include "a/y.h"\n', '#include "common/y.h"\n',
     {"examples/a/y.h": "", "extensions/common/y.h": ""}),
    (rules.folder_cycles, "src/flowd/steer/x.h", '#include "base/z.h"\n', '#include "flow/y.h"\n',
     {"src/flowd/flow/y.h": '#include "steer/x.h"\n', "src/base/z.h": ""}),
    (rules.folder_cycles, "src/manager/a/x.h", "", '#include "manager/b/x.h"\n',
     {"src/manager/b/x.h": '#include "manager/c/x.h"\n', "src/manager/c/x.h": '#include "manager/a/x.h"\n'}),
    (rules.licences, "src/x.c", APACHE, GPL, {}),
    (rules.licences, "src/x.c", APACHE, "\n" + APACHE, {}),
    (rules.licences, "src/bpf/x.bpf.c", GPL, APACHE, {}),
    (rules.licences, "src/bpf/x.abi.h", APACHE, GPL, {}),
    (rules.licences, "bench/x.py", "#!/usr/bin/python3\n# SPDX-License-Identifier: Apache-2.0\n", "#!/usr/bin/python3\n", {}),
    (rules.pragma_once, "src/x.h", APACHE + "#pragma once\n", APACHE + "#ifndef X_H\n#define X_H\n#endif\n", {}),
    (rules.typedefs, "src/x.h", "typedef int x_fn(void);\n", "typedef struct x x_t;\n", {}),
    (rules.typedefs, "src/x.h", "struct typedef_like;\n", "typedef enum { A } x_t;\n", {}),
    (rules.unfinished, "src/x.c", "/* done */\n", "/* TO" "DO */\n", {}),
    (rules.unfinished, "docs/x.md", "mastodon\n", "FIX" "ME: later\n", {}),
    (rules.function_sizes, "src/x.c", function(120) + many(200), function(121) + many(200), {}),
    (rules.function_sizes, "src/x.c", function(101) + many(60), function(101) + many(40), {}),
    (rules.file_sizes, "tests/x.py", "\n" * 900, "\n" * 901, {}),
    (rules.public_headers, "include/netext/x.h", HEADER.format("x.h", "What it is for."), APACHE + "#pragma once\n", {}),
    (rules.public_headers, "include/netext/x.h", HEADER.format("x.h", "Why."), HEADER.format("y.h", "Why."), {}),
    (rules.source_comments, "src/x.c", APACHE + "\n/* What it does. */\n", APACHE + "\n#include <errno.h>\n", {}),
    (rules.man_pages, "docs/man/netextctl.1", page(*rules.VERBS), page(*rules.VERBS[1:]), {}),
    (rules.man_pages, "src/cli/meson.build", PROGRAM, PROGRAM.replace("'netextctl'", "'netextd'"),
     {"docs/man/netextctl.1": page(*rules.VERBS)}),
    (rules.man_pages, "extensions/a/meson.build", "executable('a',\n  'a.c'\n)\n", "executable('b',\n  'b.c'\n)\n",
     {"docs/man/netextctl.1": page(*rules.VERBS), "docs/man/netext-a.8": ""}),
    (rules.documented_words, "docs/man/netext.7", ".It Cm verdict\n", ".It Cm version\n",
     {"src/wire/table.h": 'ATTR(38, VERDICT, WIRE_ENUM, "verdict", wire_verdicts)\n'}),
    (rules.documented_words, "docs/man/netext.7", ".It Cm no-filter\n", ".It Cm filter\n",
     {"src/wire/names.c": '{ WIRE_REASON_NO_FILTER, "no-filter" },\n'}),
    (rules.documented_checks, "docs/man/netext-bundle.5", ".It Li file.digest Pq 8\nSign again.\n",
     ".It Li file.digest Pq 9\nSign again.\n",
     {"src/bundle/check.h": 'CHECK(FILE_DIGEST, "file.digest", _SIGNATURE, "the same")\n'}),
    (rules.documented_checks, "docs/man/netext-bundle.5", ".It Li file.digest Pq 8\nSign again.\n.El\n",
     ".It Li file.digest Pq 8\n.El\n",
     {"src/bundle/check.h": 'CHECK(FILE_DIGEST, "file.digest", _SIGNATURE, "the same")\n'}),
    (rules.documented_actions, "docs/man/netextd.8", ".It Sy org.netext1.session.stop Ta StopSession\n",
     ".It Sy org.netext1.session.start Ta StartSession\n",
     {"src/manager/authority/authority.c": '{ "org.netext1.session.stop", "stop sessions" }',
      "dist/polkit/org.netext1.policy": '<action id="org.netext1.session.stop">'}),
    (rules.documented_actions, "dist/polkit/org.netext1.policy", '<action id="org.netext1.session.stop">',
     '<action id="org.netext1.session.start">',
     {"src/manager/authority/authority.c": '{ "org.netext1.session.stop", "stop sessions" }',
      "docs/man/netextd.8": ".It Sy org.netext1.session.stop Ta StopSession\n"}),
    (rules.guarded_methods, "src/manager/control/manager-interface.c",
     '        { "Stop", AUTHORITY_STOP, stop },\nSD_BUS_METHOD_WITH_ARGS("Stop",\n SD_BUS_ARGS("s"), change_something,\n 0)\n',
     'SD_BUS_METHOD_WITH_ARGS("Stop",\n SD_BUS_ARGS("s"), stop,\n 0)\n', {}),
    (rules.guarded_methods, "src/manager/control/manager-interface.c",
     'SD_BUS_METHOD_WITH_ARGS("GetAll", SD_BUS_NO_ARGS, get_all, 0)',
     'SD_BUS_METHOD_WITH_ARGS("GetAll", SD_BUS_NO_ARGS, change_something, 0)', {}),
    (rules.guarded_methods, "src/manager/control/manager-interface.c",
     '        { "Ask", ask },\nSD_BUS_METHOD_WITH_ARGS("Ask", SD_BUS_NO_ARGS, for_root, 0)',
     'SD_BUS_METHOD_WITH_ARGS("Ask", SD_BUS_NO_ARGS, for_root, 0)', {}),
]

RULES = sorted({sample[0] for sample in SAMPLES}, key=lambda rule: rule.__name__)


def write(root, path, text):
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text, "utf-8")


def name_of(rule):
    return rule.__name__


@pytest.mark.parametrize("rule", RULES, ids=name_of)
def test_project(rule):
    complaints = list(rule(ROOT))
    assert not complaints, f"{rule.__doc__}\n" + "\n".join(complaints)


@pytest.mark.parametrize("rule, path, good, bad, around", SAMPLES,
                         ids=[f"{sample[0].__name__}-{number}" for number, sample in enumerate(SAMPLES)])
def test_rule_bites(rule, path, good, bad, around, tmp_path):
    for name, text in around.items():
        write(tmp_path, name, text)
    write(tmp_path, path, good)
    assert not list(rule(tmp_path))
    write(tmp_path, path, bad)
    assert list(rule(tmp_path))


def test_every_rule_has_samples():
    """A rule that nobody tries might never bite."""
    public = {value for name, value in vars(rules).items()
              if callable(value) and getattr(value, "__doc__", None)
              and value.__module__ == rules.__name__ and value.__code__.co_varnames[:value.__code__.co_argcount] == ("root",)}
    assert public - {rules.functions, rules.programs, rules.words_of_records, rules.bundle_checks} == set(RULES)
