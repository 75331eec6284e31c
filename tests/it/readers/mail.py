"""Reads a mail from standard input by Python's own parser and prints what it found as JSON; files go into a folder."""

import email
import email.header
import email.policy
import json
import os
import sys

data = sys.stdin.buffer.read()
message = email.message_from_bytes(data, policy=email.policy.default)
# Header by header: the default policy leaves the spaces between the encoded words of a display name.
headers = {
    name: str(email.header.make_header(email.header.decode_header(value)))
    for name, value in email.message_from_bytes(data, policy=email.policy.compat32).items()
}


def shape(part):
    if part.is_multipart():
        return [part.get_content_type(), [shape(p) for p in part.iter_parts()]]
    return part.get_content_type()


files = []
for part in message.iter_attachments():
    files.append(part.get_filename())
    with open(os.path.join(sys.argv[1], f"{len(files)}"), "wb") as out:
        out.write(part.get_payload(decode=True))
defects = [repr(d) for part in message.walk() for d in part.defects]
for part in message.walk():
    defects += [repr(d) for value in part.values() for d in getattr(value, "defects", [])]
print(
    json.dumps(
        {
            "headers": headers,
            "shape": shape(message),
            "text": message.get_body(("plain",)).get_content(),
            "html": message.get_body(("html",)).get_content(),
            "files": files,
            "defects": defects,
        }
    )
)
