"""One question to Swift, answered as JSON by OpenStack's own client. Settings are in the environment."""

import hashlib
import json
import os
import sys

from swiftclient.client import Connection
from swiftclient.exceptions import ClientException

CONTAINER = os.environ["CONTAINER"]
SEGMENTS = CONTAINER + "_segments"
CLIENT = Connection(
    authurl=os.environ["AUTH_URL"],
    user=os.environ["SWIFT_USER"],
    key=os.environ["PASSWORD"],
    cacert=os.environ["CA"],
    retries=1,
)


def listed(container):
    """The names in a container, page by page; none where there is no such container."""
    try:
        return [item["name"] for item in CLIENT.get_container(container, full_listing=True)[1]]
    except ClientException as error:
        if error.http_status != 404:
            raise
        return []


def segments_of(name):
    """What the manifest of a large object names; nothing where it is an object of its own."""
    headers = CLIENT.head_object(CONTAINER, name)
    if headers.get("x-static-large-object", "").lower() != "true":
        return set()
    manifest = CLIENT.get_object(CONTAINER, name, query_string="multipart-manifest=get&format=json")[1]
    return {piece["name"] for piece in json.loads(manifest)}


def create():
    CLIENT.put_container(CONTAINER)
    return True


def remove():
    """The container and its segments, with all that is in them."""
    for container in (CONTAINER, SEGMENTS):
        for name in listed(container):
            CLIENT.delete_object(container, name)
    CLIENT.delete_container(CONTAINER)
    return True


def names():
    objects = listed(CONTAINER)
    named = set().union(*[segments_of(name) for name in objects]) if objects else set()
    segments = ["/%s/%s" % (SEGMENTS, name) for name in listed(SEGMENTS)]
    return {"objects": objects, "uploads": [name for name in segments if name not in named]}


def read(name):
    """Downloads an object, a piece at a time, and keeps nothing of it."""
    headers, body = CLIENT.get_object(CONTAINER, name, resp_chunk_size=1 << 20)
    digest, size = hashlib.sha256(), 0
    for piece in body:
        digest.update(piece)
        size += len(piece)
    return {
        "key": name,
        "size": size,
        "sha256": digest.hexdigest(),
        "told_sha256": headers.get("x-object-meta-sha256"),
        "disposition": headers.get("content-disposition"),
    }


def read_all():
    return [read(name) for name in names()["objects"]]


COMMANDS = {"create": create, "remove": remove, "names": names, "read": read, "read-all": read_all}
json.dump(COMMANDS[sys.argv[1]](*sys.argv[2:]), sys.stdout)
