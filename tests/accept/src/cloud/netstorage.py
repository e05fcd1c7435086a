"""One question to Akamai, answered as JSON by its own libraries. Settings: the environment."""

import hashlib
import itertools
import json
import os
import random
import sys
import tempfile
import time
from unittest import mock
from urllib.parse import unquote
from xml.etree import ElementTree

import requests
from akamai.edgeauth import EdgeAuth
from akamai.edgegrid import EdgeGridAuth
from akamai.edgegrid.edgegrid import EdgeGridAuthHeaders
from akamai.netstorage import Netstorage

CP = os.environ["CP_CODE"]
ACCOUNT, KEY = os.environ["ACCOUNT"], os.environ["KEY"]
SECRET, SALT = os.environ["TOKEN_SECRET"], os.environ["TOKEN_SALT"]
GRID = [os.environ[name] for name in ("CLIENT_TOKEN", "CLIENT_SECRET", "ACCESS_TOKEN")]
PIECE = 1 << 20


def client(account=ACCOUNT, key=KEY):
    made = Netstorage(os.environ["HOST"], account, key, ssl=True)
    made.http_client.verify = os.environ["CA"]
    return made


def entries(ns, path):
    """What is in a folder, to its end: a listing may be cut at any length."""
    option = {"encoding": "utf-8"}
    while True:
        _, answer = ns.dir(path, option)
        if answer.status_code == 404:
            return
        assert answer.status_code == 200, f"dir {path}: {answer.status_code} {answer.text}"
        root = ElementTree.fromstring(answer.content)
        yield from [dict(entry.attrib) for entry in root.findall("file")]
        resume = root.find("resume")
        if resume is None:
            return
        option["start"] = resume.get("start")


def files(ns, path):
    """All files below a folder, by their whole paths."""
    for entry in entries(ns, path):
        below = f"{path}/{entry['name']}"
        if entry["type"] == "dir":
            yield from files(ns, below)
        else:
            yield below


def names():
    top = f"/{CP}"
    # There are no parts: what was not ended is not there.
    return {"objects": [path[len(top) + 1 :] for path in files(client(), top)], "uploads": []}


def read(key):
    """Downloads an object, a piece at a time, and keeps nothing of it."""
    _, answer = client().stream_download(f"/{CP}/{key}")
    assert answer.status_code == 200, f"{key}: {answer.status_code}"
    digest, size = hashlib.sha256(), 0
    for piece in answer.iter_content(PIECE):
        digest.update(piece)
        size += len(piece)
    return {
        "key": key,
        "size": size,
        "sha256": digest.hexdigest(),
        "told_sha256": None,
        "disposition": None,
    }


def read_all():
    return [read(key) for key in names()["objects"]]


ODD = ["plain", "a b+é&50%#.pkg", "'quoted' <x> \"y\"", "~!$(),;=@", "x" * 200, "ünï.cödé"]
SIZES = [0, 1, 100_000, PIECE + 1]


class Proof:
    """Every action, as Akamai's own library asks for it, and everything that has to be refused."""

    def __init__(self, folder):
        self.ns, self.base, self.folder = client(), f"/{CP}/proof", folder
        self.operations = self.refusals = 0

    def done(self, told, status=200):
        answer = told[1]
        assert answer.status_code == status, f"{answer.url}: {answer.status_code} {answer.text}"
        self.operations += 1
        return answer

    def refused(self, told, *statuses):
        answer = told[1] if isinstance(told, tuple) else told
        assert answer.status_code in statuses, f"{answer.url}: {answer.status_code} is no refusal"
        self.refusals += 1

    def local(self, size):
        path = os.path.join(self.folder, f"local-{size}")
        with open(path, "wb") as file:
            file.write(random.Random(size).randbytes(size))
        return path

    def stat(self, path):
        answer = self.done(self.ns.stat(path))
        return ElementTree.fromstring(answer.content).find("file").attrib

    def one(self, name, size):
        """Uploaded, told, downloaded, moved, dated, linked."""
        path, local = f"{self.base}/{name}", self.local(size)
        self.done(self.ns.upload(local, path))
        with open(local, "rb") as file:
            written = file.read()
        told = self.stat(path)
        digest = hashlib.md5(written).hexdigest()
        assert (told["name"], told["size"], told["md5"]) == (name, str(size), digest), told
        back = os.path.join(self.folder, "back")
        self.done(self.ns.download(path, back))
        with open(back, "rb") as file:
            assert file.read() == written, name
        moved = f"{self.base}/moved {name}"
        self.done(self.ns.rename(path, moved))
        self.refused(self.ns.stat(path), 404)
        self.done(self.ns.mtime(moved, 1700000000))
        assert self.stat(moved)["mtime"] == "1700000000"
        link = f"{self.base}/link {name}"
        self.done(self.ns.symlink(moved, link))
        self.done(self.ns.download(link, back))
        with open(back, "rb") as file:
            assert file.read() == written, name

    def storage(self):
        ns, base = self.ns, self.base
        self.done(ns.mkdir(base))
        for name, size in zip(ODD, itertools.cycle(SIZES)):
            self.one(name, size)
        there = sorted(f"{kind} {name}" for kind in ("link", "moved") for name in ODD)
        listed = [entry["name"] for entry in entries(ns, base)]
        assert sorted(listed) == there, listed
        assert self.listed() == [f"{base}/{name}"[1:] for name in listed], "list differs from dir"
        used = ElementTree.fromstring(self.done(ns.du(base)).content).find("du-info").attrib
        assert int(used["files"]) == len(ODD), used
        self.done(ns.stream_upload(iter([b"a", b"bc"]), f"{base}/chunked"))
        assert self.stat(f"{base}/chunked")["size"] == "3"
        self.refused(ns.rmdir(base), 409)
        self.refused(ns.delete(base), 409)
        self.refused(ns.mkdir(base), 409)
        self.refused(ns.rename(f"{base}/moved plain", f"{base}/chunked"), 409)
        for name in [*there, "chunked"]:
            self.done(ns.delete(f"{base}/{name}"))
        self.done(ns.mkdir(f"{base}/deep"))
        self.done(ns.upload(self.local(1), f"{base}/deep/file"))
        self.done(ns.quick_delete(f"{base}/deep"), 204)
        self.refused(ns.dir(f"{base}/deep"), 404)
        self.done(ns.rmdir(base))

    def listed(self):
        """`list` goes on at the path that it tells, and ends where it is told to."""
        path, option, told = self.base, {"end": f"{self.base}0"}, []
        while path is not None:
            root = ElementTree.fromstring(self.done(self.ns.list(path, option)).content)
            told += [entry.get("name") for entry in root.findall("file")]
            resume = root.find("resume")
            path = None if resume is None else resume.get("start")
        return told

    def nobody_else(self):
        """Who is not let in, and what is not taken."""
        ns, top, local = self.ns, f"/{CP}", self.local(100_000)
        self.refused(client(key="another").dir(top), 403)
        self.refused(client(account="nobody").dir(top), 403)
        self.refused(ns.dir("/1"), 403)
        for apart in (-120, 120):
            then = time.time() + apart
            with mock.patch.object(time, "time", lambda: then):
                self.refused(ns.dir(top), 403)
        with mock.patch.object(random, "getrandbits", lambda _: 7):
            with mock.patch.object(time, "time", lambda now=time.time(): now):
                self.done(ns.dir(top))
                self.refused(ns.dir(top), 403)
        self.refused(ns._request(action="delete", method="GET", path=top), 403)
        self.refused(ns._request(action="dir&format=xml", method="POST", path=top), 403)
        self.refused(ns._request(action="dir", method="GET", path=top), 400)
        self.refused(ns._request(action="walk", method="GET", path=top), 400)
        self.refused(ns.dir(f"{top}//proof"), 400)
        self.refused(ns.download(f"{top}/none", os.path.join(self.folder, "none")), 404)
        self.refused(ns.upload(self.local(1), f"{top}/no folder/file"), 404)
        path = f"{top}/kept"
        self.done(ns.upload(self.local(1), path))
        for wrong in ("size=1", "md5=" + "0" * 32, "sha1=" + "0" * 40, "sha256=" + "0" * 64):
            told = ns._request(action=f"upload&{wrong}", method="PUT", source=local, path=path)
            self.refused(told, 412)
        told = ns._request(
            action="upload&crc32=0", method="PUT", source=self.local(1), path=path
        )
        self.refused(told, 400)
        assert self.stat(path)["size"] == "1", "what was there is not there any more"
        self.done(ns.delete(path))

    def edge(self):
        """Tokens of Akamai's library, a cache, and a purge that its client asks for."""
        path, origin = "/proof-edge", os.environ["EDGE"]
        self.done(self.ns.upload(self.local(100_000), f"/{CP}{path}"))
        now, web = int(time.time()), requests.Session()
        web.verify = os.environ["CA"]

        def get(token, **headers):
            return web.get(f"{origin}{path}?__token__={token}", headers=headers)

        def auth(**given):
            times = {"start_time": now - 60, "end_time": now + 600}
            return EdgeAuth(key=given.pop("key", SECRET), salt=SALT, **{**times, **given})

        self.done((True, get(auth().generate_acl_token("/proof-*"))))
        self.done((True, get(auth().generate_url_token(path))))
        part = self.done((True, get(auth().generate_acl_token(path), Range="bytes=5-9")), 206)
        assert part.headers["content-range"] == "bytes 5-9/100000", part.headers
        self.refused(get(auth().generate_acl_token(path), Range="bytes=100000-"), 416)
        self.refused(get(auth().generate_acl_token("/other")), 403)
        self.refused(get(auth().generate_url_token("/other")), 403)
        self.refused(get(auth(key="aabb").generate_acl_token(path)), 403)
        self.refused(get(auth(end_time=now - 1).generate_acl_token(path)), 403)
        self.refused(get(auth(start_time=now + 60).generate_acl_token(path)), 403)
        self.refused(web.get(f"{origin}{path}"), 403)
        self.done(self.ns.delete(f"/{CP}{path}"))
        self.done((True, get(auth().generate_acl_token(path))))
        purge, body = os.environ["PURGE"], {"objects": [f"{origin}{path}"]}
        call = f"https://{purge}/ccu/v3/delete/url/production"
        wrong = EdgeGridAuth(GRID[0], "another", GRID[2])
        self.refused(web.post(call, json=body, auth=wrong), 401)
        other = {"objects": ["https://other.example.org/x"]}
        self.refused(web.post(call, json=other, auth=EdgeGridAuth(*GRID)), 403)
        self.done((True, web.post(call, json=body, auth=EdgeGridAuth(*GRID))), 201)
        self.refused(get(auth().generate_acl_token(path)), 404)


def prove():
    with tempfile.TemporaryDirectory() as folder:
        proof = Proof(folder)
        proof.storage()
        proof.nobody_else()
        proof.edge()
    return {"operations": proof.operations, "refusals": proof.refusals}


GOLDEN = "aabbccddeeff00112233445566778899"
GOLDEN_URL = "a7aea6ddecc7661ebd5b46512d75cc8c96400a834fbea3e53afe3ffd906f6d64"
GOLDEN_ACL = "fac3024b596f47681585b893c7116d4f4418f4357370a4625fa55459038e1266"
GOLDEN_SIGN = "yh1MXm/rv7RKZhfKlTuSUBV69Acph5IyOWCU0/nFjms="


def signed(ns, action, path, seconds, number):
    """The data and the signature that the library sends."""
    ns.http_client = mock.Mock()
    clock = mock.patch.object(time, "time", lambda: seconds)
    with clock, mock.patch.object(random, "getrandbits", lambda _: number):
        ns._request(action=action.removeprefix("version=1&action="), method="POST", path=path)
    call = ns.http_client.post.call_args
    headers = call.kwargs["headers"]
    sign = headers["X-Akamai-ACS-Auth-Sign"].decode()
    return call.args[0], headers["X-Akamai-ACS-Auth-Data"], sign


def golden():
    """The libraries meet what is documented, so what equals theirs does."""
    action = "upload&md5=0123456789abcdef0123456789abcdef&mtime=1260000000"
    ns = Netstorage("h", "UploadAccountMedia", "abcdefghij", ssl=True)
    told = signed(ns, action, "/123456/files_baseball/sweep.m4a", 1280000000, 382644692)
    times = {"start_time": 1700000000, "end_time": 1700003600}
    auth = EdgeAuth(key=GOLDEN, salt="s", **times)
    url, acl = auth.generate_url_token("/Packages/a b.pkg"), auth.generate_acl_token("/Packages/*")
    assert told[2] == GOLDEN_SIGN, told
    assert url.endswith(f"hmac={GOLDEN_URL}") and acl.endswith(f"hmac={GOLDEN_ACL}"), (url, acl)
    return 3


def vectors(file):
    """Compares what our code signed with what the libraries make of the same."""
    with open(file, encoding="utf-8") as text:
        ours = json.load(text)
    differing, ns = [], Netstorage("h", ACCOUNT, KEY, ssl=True)
    for case in ours["requests"]:
        fields = case["data"].split(", ")
        told = signed(ns, case["action"], unquote(case["path"]), int(fields[3]), int(fields[4]))
        if told != (f"https://h{case['path']}", case["data"], case["sign"]):
            differing.append([case, told])
    for case in ours["tokens"]:
        times = {"start_time": case["starts"], "end_time": case["ends"]}
        token = EdgeAuth(key=SECRET, salt=SALT, **times).generate_acl_token(case["acl"])
        if token != case["token"]:
            differing.append([case, token])
    for case in ours["purges"]:
        _, claims = case["authorization"].split(" ")
        fields = dict(field.split("=", 1) for field in claims.split(";"))
        host = case["host"]
        request = mock.Mock(method="POST", url=f"https://{host}{case['path']}", body=case["body"])
        request.headers = {"host": host}
        told = EdgeGridAuthHeaders(*GRID)
        told = told.make_auth_header(request, fields["timestamp"], fields["nonce"])
        if told != case["authorization"]:
            differing.append([case, told])
    return {"golden": golden(), "differing": [json.dumps(pair) for pair in differing]}


COMMANDS = {
    "names": names,
    "read": read,
    "read-all": read_all,
    "prove": prove,
    "vectors": vectors,
}
json.dump(COMMANDS[sys.argv[1]](*sys.argv[2:]), sys.stdout)
