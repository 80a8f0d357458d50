# SPDX-License-Identifier: Apache-2.0
"""The soak's server: a thread for each connection, a line of JSON for each that is over.

    server.py PORT...
"""
import json
import socket
import sys
import threading
import time

import content
import stream

lock = threading.Lock()


def tell(**what):
    with lock:
        print(json.dumps(what), flush=True)


def read_header(connection):
    header = b""
    while len(header) < content.HEADER.size:
        received = stream.receive(connection, content.HEADER.size - len(header))
        if not received:
            raise stream.Broken(f"clean end after {len(header)} bytes of the header", grave=True)
        header += received
    magic, *fields = content.HEADER.unpack(header)
    if magic != content.MAGIC:
        raise stream.Broken("wrong header", grave=True)
    return fields


def answer(connection, exchange, size, rate, flags, tally, failures):
    try:
        stream.say(connection, content.inbound(exchange), size, rate, tally)
        if not flags & content.SERVER_RESETS:
            connection.shutdown(socket.SHUT_WR)
    except stream.Broken as broken:
        failures.append(broken)
    except OSError as error:
        failures.append(stream.broken_by("shutdown", error))


def converse(connection, fields, tally):
    exchange, size_out, size_in, rate, mode, flags = fields
    failures = []
    arguments = connection, exchange, size_in, rate, flags, tally, failures

    def hear():
        stream.hear(connection, exchange, size_out, tally)
        if not failures and not flags & content.SERVER_RESETS:
            stream.hear_end(connection)

    if mode == content.AT_ONCE:
        speaker = threading.Thread(target=answer, args=arguments, daemon=True)
        speaker.start()
        stream.hear_while_speaking(speaker, failures, hear)
        return
    if mode == content.AFTER_END:
        hear()
        answer(*arguments)
    else:
        stream.hear(connection, exchange, size_out, tally)
        answer(*arguments)
        hear()
    if failures:
        raise failures[0]


def serve(connection, port):
    began, tally, fields, error = time.monotonic(), stream.Tally(), None, None
    connection.settimeout(content.HANG_S + 10)
    try:
        fields = read_header(connection)
        converse(connection, fields, tally)
    except stream.Broken as broken:
        error = broken
    if error or fields[5] & content.SERVER_RESETS:
        content.reset(connection)
    else:
        connection.close()
    tell(at="server", exchange=fields and fields[0], port=port, began=began, ended=time.monotonic(),
         heard=tally.heard, said=tally.said, error=error and str(error), grave=bool(error and error.grave),
         client_resets=bool(fields and fields[5] & content.CLIENT_RESETS))


def accept(listener, port):
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection, port), daemon=True).start()


def answer_datagrams(sock):
    while True:
        question, peer = sock.recvfrom(65536)
        magic, exchange, sequence, size = content.DATAGRAM.unpack_from(question)
        body = question[content.DATAGRAM.size:]
        if magic != content.MAGIC or content.wrong_at(exchange, sequence * 1500, body) is not None:
            tell(at="server", exchange=exchange, port=sock.getsockname()[1], began=time.monotonic(),
                 ended=time.monotonic(), heard=0, said=0, error="wrong datagram", grave=True, client_resets=False)
            continue
        head = content.DATAGRAM.pack(content.MAGIC, exchange, sequence, size)
        sock.sendto(head + content.piece(content.inbound(exchange), sequence * 1500, size), peer)


def main(ports):
    for port in ports:
        listener = socket.create_server(("0.0.0.0", port), backlog=1024)
        threading.Thread(target=accept, args=(listener, port), daemon=True).start()
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("0.0.0.0", port))
        threading.Thread(target=answer_datagrams, args=(sock,), daemon=True).start()
    print("ready", flush=True)
    sys.stdin.read()


main([int(port) for port in sys.argv[1:]])
