"""A DNS server on loopback with the records a test gives it; asked over UDP and, for long answers, TCP."""

import socketserver
import struct
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

Records = Mapping[tuple[str, str], Sequence[str]]  # (name, type) → the data as in a zone file


@contextmanager
def name_server(records: Records, *, silent: bool = False) -> Iterator[str]:
    """`host:port` of a server that knows these records and no other names; `silent`: it takes questions and says nothing."""

    def answer(question: bytes) -> bytes | None:
        return None if silent else _answer(records, question)

    class Datagram(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            if (reply := answer(self.request[0])) is not None:
                if len(reply) > 1_200:
                    message = dns.message.make_response(dns.message.from_wire(self.request[0]))
                    message.flags |= dns.flags.TC
                    reply = message.to_wire()
                self.request[1].sendto(reply, self.client_address)

    class Stream(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            (length,) = struct.unpack("!H", self.rfile.read(2))
            if (reply := answer(self.rfile.read(length))) is not None:
                self.wfile.write(struct.pack("!H", len(reply)) + reply)

    with socketserver.ThreadingUDPServer(("127.0.0.1", 0), Datagram) as udp:
        port = udp.server_address[1]
        with socketserver.ThreadingTCPServer(("127.0.0.1", port), Stream) as tcp:
            for server in (udp, tcp):
                server.daemon_threads = True
                threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
            yield f"127.0.0.1:{port}"
            for server in (udp, tcp):
                server.shutdown()


def _answer(records: Records, wire: bytes) -> bytes:
    query = dns.message.from_wire(wire)
    reply = dns.message.make_response(query)
    reply.flags |= dns.flags.RA
    asked = query.question[0]
    name, kind = asked.name.to_text(omit_final_dot=True).lower(), dns.rdatatype.to_text(asked.rdtype)
    if data := records.get((name, kind)):
        reply.answer.append(dns.rrset.from_text(asked.name, 60, "IN", kind, *data))
    elif not any(known == name or known.endswith(f".{name}") for known, _kind in records):
        reply.set_rcode(dns.rcode.NXDOMAIN)
    return reply.to_wire()
