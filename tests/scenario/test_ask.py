# SPDX-License-Identifier: Apache-2.0
"""A rule has people asked: who is attached decides, and nobody else waits for them (R-09, R-20)."""
import os
import signal
import threading

from harness.client import TALK
from harness.lab import Lab
from harness.prompt import Prompt, Terminal
from harness.wait import wait_until

MANY = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (2000, 2000))\n"
CONNECT = """
sockets = [socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) for port in ports]
answer = [one.connect_ex(("198.18.0.2", port)) for one, port in zip(sockets, ports)]
for i, one in enumerate(sockets):
    if answer[i] == errno.EINPROGRESS:
        poll = select.poll()
        poll.register(one, select.POLLOUT)
        poll.poll(30000)
        answer[i] = one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    answer[i] = errno.errorcode.get(answer[i])
"""


def counted(netext):
    return {key.removeprefix("questions_"): value for key, value in netext.status().items()
            if key.startswith("questions_")}


def test_a_person_decides(netext, firewall, client, server, prompt):
    path = firewall("ask port 80", "ask-timeout 60")
    asked = prompt()
    for verdict, error in (("allow", None), ("refuse", "ECONNREFUSED")):
        process = client.start("tcp", Lab.SERVER, 80, "-t", "20000")
        question = asked.question()
        assert (question["program"], question["uid"], question["pid"]) == (str(TALK.resolve()), 0, process.pid)
        assert (question["remote_address"], question["remote_port"], question["protocol"]) == (Lab.SERVER, 80, "tcp")
        assert (question["session_name"], question["rule"]) == ("firewall", f"{path.name}:1")
        assert question["parent"] == os.readlink("/proc/self/exe") and question["timeout_ms"] == 60000
        asked.answer(question, verdict)
        assert client.answer(process).error == error
        flow = netext.flow(pid=process.pid)
        assert (flow["verdict"], flow["reason"], flow["rule"]) == (verdict, "answered", f"{path.name}:1")
        told = asked.event()
        assert (told["event"], told["verdict"], told["lifetime"]) == ("answered", verdict, "once")
    assert len(server.seen) == 1 and counted(netext)["answered"] == 2
    for words in (["ask"], ["rules", "answers"], ["rules", "forget", "1"], ["rules", "show", "firewall"],
                  ["rules", "why", TALK, Lab.SERVER, "80"]):
        done = client.run("setpriv", "--reuid", "61100", "--regid", "61100", "--clear-groups",
                          *netext.ctl_command(*words))
        assert done.returncode == 1 and "only root" in done.stderr, (words, done)


def test_datagrams_and_visitors_are_asked_about(netext, firewall, client, server, prompt, service, visit):
    firewall("ask port 80", "ask direction inbound")
    asked = prompt()
    process = client.start("udp", Lab.SERVER, 80, "-t", "20000")
    question = asked.question()
    assert question["protocol"] == "udp"
    asked.answer(question, "allow")
    assert client.answer(process).error is None
    asked.event()

    heard, home = [], service(90)
    visitor = threading.Thread(target=lambda: heard.append(visit(90, timeout=20)))
    visitor.start()
    question = asked.question()
    assert (question["direction"], question["local_port"], question["pid"]) == ("inbound", 90, home.pid)
    assert question["remote_address"] == Lab.SERVER
    asked.answer(question, "allow", lifetime="run", by=["port"])
    visitor.join()
    assert heard == [b"hello"] and visit(90) == b"hello"  # by port is by that of the server
    assert netext.flows(direction="inbound")[-1]["reason"] == "kept-answer"


def test_a_person_answers_at_a_terminal(netext, firewall, lab, server, prompt):
    firewall("ask port 80")
    terminal = prompt(Terminal)
    terminal.wait_for("q ends.")

    def curl(*options):
        return lab.client.start(["curl", "-sS", "--max-time", "20", "--http0.9", *options, f"http://{Lab.SERVER}/"])

    denied = curl("--header", "X: \x1b[31mred\u202e")
    shown = terminal.wait_for("explains): ")
    assert f"curl may reach {Lab.SERVER}, port 80 (tcp)?" in shown and f"process  {denied.pid} of root" in shown
    assert r"X: \x1b[31mred\u202e" in shown and "\x1b" not in shown and "asks     firewall, rules:1" in shown
    terminal.type("x")
    assert "expected a or d" in terminal.wait_for("explains): ")
    terminal.type("?")
    assert "for ever" in terminal.wait_for("explains): ")
    terminal.type("d")
    terminal.wait_for("denied")
    assert denied.wait(10) == 7  # failed to connect
    allowed = curl()
    terminal.wait_for("explains): ")
    terminal.type("a r")
    terminal.wait_for("allowed")
    wait_until(lambda: len(server.seen) == 1, "what was allowed did not reach the server")
    allowed.kill()
    terminal.type("q")
    assert terminal.process.wait(5) == 0


def test_nobody_answers(netext, firewall, client, server, prompt):
    firewall("ask port 80", "ask-timeout 1", fail_policy="closed")

    def refused(reason):
        return client.tcp(80).error == "ECONNREFUSED" and netext.flows(remote_port=80)[-1]["reason"] == reason

    assert refused("nobody-attached")
    stopped = prompt()
    assert refused("unanswered")
    assert [stopped.event()["event"] for _ in range(2)] == ["asked", "timed-out"]
    stopped.process.send_signal(signal.SIGSTOP)  # a prompt that does not read is one that does not answer
    assert refused("unanswered")
    stopped.process.send_signal(signal.SIGCONT)
    late = stopped.question()
    stopped.answer(late, "allow")
    assert [stopped.event()["event"] for _ in range(2)] == ["timed-out", "refused"]
    assert counted(netext) == {"open": 0, "asked": 2, "answered": 0, "unanswered": 2, "nobody_attached": 1,
                               "over_quota": 0}
    assert netext.status()["flows_by_fail_policy"] == 3 and server.seen == []


def test_nobody_is_asked_for_a_program_that_is_gone(netext, firewall, client, server, prompt):
    """B20."""
    firewall("ask port 80")
    asked = prompt()
    process = client.start("tcp", Lab.SERVER, 80, "-t", "20000")
    question = asked.question()
    process.kill()
    told = asked.event()
    assert (told["event"], told["question"]) == ("withdrawn", question["question"])
    assert netext.flow(remote_port=80)["reason"] == "program-gone" and counted(netext)["open"] == 0


def test_two_prompts_and_their_ends(netext, firewall, client, server, prompt):
    firewall("ask port 80", fail_policy="closed")
    first, second = prompt(), prompt()
    process = client.start("tcp", Lab.SERVER, 80, "-t", "20000")
    question = first.question()
    assert second.question() == question
    second.answer(question, "allow")
    assert client.answer(process).error is None
    told = first.event()
    assert (told["event"], told["answered_by_pid"]) == ("answered", second.process.pid)
    first.answer(question, "refuse")
    assert "is over" in first.event()["message"]

    second.event()
    process = client.start("tcp", Lab.SERVER, 80, "-t", "20000")
    question = first.question()
    first.process.kill()  # what it was asked is the other's now
    second.answer(second.question(), "allow")
    assert client.answer(process).error is None
    second.event()
    process = client.start("tcp", Lab.SERVER, 80, "-t", "20000")
    second.question()
    second.process.kill()  # and now it is nobody's
    assert client.answer(process).error == "ECONNREFUSED"
    assert netext.flow(pid=process.pid)["reason"] == "nobody-attached"


def test_a_thousand_open_questions_hold_up_nobody(netext, firewall, client, serve, prompt):
    serve(80), serve(20000)
    firewall("ask port 20000-21100", "ask-timeout 120", "deny port 25", fail_policy="closed")
    asked = prompt()
    process = client.start_python(MANY + CONNECT, ports=[*range(20000, 21030), 20000, 20000])
    questions = [asked.question() for _ in range(1024)]  # the same question is put once; more are not put
    assert sorted(one["remote_port"] for one in questions) == [*range(20000, 21024)]
    wait_until(lambda: netext.status()["flows_held"] == 1026, "not all are held")
    for _ in range(10):
        assert client.tcp(80).ms < 500
    assert client.tcp(25).error == "EPERM"
    asked.answer(questions[0], "allow")
    assert asked.event()["question"] == questions[0]["question"] and questions[0]["remote_port"] == 20000
    asked.answer(questions[-1], "refuse", lifetime="run", by=[])  # is about all that are still open
    assert client.python_answer(process, 30) == [None] + ["ECONNREFUSED"] * 1029 + [None, None]
    assert counted(netext) == {"open": 0, "asked": 1024, "answered": 1024, "unanswered": 0, "nobody_attached": 0,
                               "over_quota": 6}
    assert len(netext.flows(reason="question-quota")) == 6


def test_an_answer_for_this_run(netext, firewall, client, serve, prompt):
    serve(80), serve(81)
    firewall("deny port 82", "ask port 80-82", "default deny")
    asked = prompt()
    process = client.start_python(CONNECT + "sys.stdin.readline()\nports = [80, 81, 82]" + CONNECT, ports=[80])
    asked.answer(asked.question(), "allow", lifetime="run", by=[])
    asked.event()
    process.stdin.write("\n")
    assert client.python_answer(process) == [None, None, "EPERM"]  # what a rule above denies stays so
    assert netext.flow(remote_port=81)["reason"] == "kept-answer"
    assert [one["lifetime"] for one in netext.ctl("rules", "answers")] == ["run"]
    other = client.start("tcp", Lab.SERVER, 80, "-t", "20000")  # another process is asked about
    asked.answer(asked.question(), "refuse")
    assert client.answer(other).error == "ECONNREFUSED"


def test_an_answer_for_ever(instances, workshop, rules, client, serve):
    serve(80), serve(81)
    netext = instances(arguments=workshop.arguments)
    path = rules("default ask")
    netext.start_session("firewall", "--rules", path, "--fail-policy", "closed")
    asked = Prompt(netext)
    process = client.start("tcp", Lab.SERVER, 80, "-t", "20000")
    asked.answer(asked.question(), "allow", lifetime="ever", by=["program", "port"])
    assert client.answer(process).error is None
    asked.close()

    def counts():
        return client.tcp(80).error is None and client.tcp(81).error == "ECONNREFUSED"

    assert counts() and netext.flows(remote_port=80)[-1]["reason"] == "kept-answer"
    netext.restart_extension("firewall")
    assert counts()
    netext.restart_flowd()
    assert counts()
    netext.kill_netextd()
    assert counts()
    netext.restart_netextd()
    netext.wait_for_session("firewall", "running")
    assert counts()
    netext.stop()
    netext.start()
    netext.start_session("firewall", "--rules", path, "--fail-policy", "closed")
    assert counts()
    kept = netext.ctl("rules", "answers")
    assert [(one["program"], one["remote_port"], one["verdict"]) for one in kept] == [
        (str(TALK.resolve()), 80, "allow")]
    assert f"allow   program {TALK.resolve()} user 0 port 80 protocol tcp" in netext.run_ctl("rules", "answers").stdout
    assert "its default; answer 1 is kept: allow" in netext.run_ctl("rules", "why", TALK, Lab.SERVER, 80).stdout
    assert "kept" not in netext.run_ctl("rules", "why", TALK, Lab.SERVER, 81).stdout
    netext.ctl("rules", "forget", kept[0]["answer"])
    assert client.tcp(80).error == "ECONNREFUSED" and netext.ctl("rules", "answers") == []
    assert path.read_text("utf-8") == "default ask\n"
