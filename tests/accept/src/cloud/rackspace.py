"""The requests of Rackspace's guides against the double of it; what was asked is printed as JSON.

Cloud Identity API v2.0: authenticate as a user with an API key. Cloud Files API: storage object
services, CDN container services, CDN object services.
"""

import json
import os
import ssl
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

AUTH_URL = os.environ["AUTH_URL"]
CONTAINER = os.environ["CONTAINER"]
CONTEXT = ssl.create_default_context(cafile=os.environ["CA"])
OPENER = urllib.request.build_opener(
    urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=CONTEXT)
)
COUNTS = {"golden": 0, "refusals": 0}

# The shortest time that the network keeps an object, and how long that lasts here.
TTL = 900
TTL_SECONDS = TTL * float(os.environ["SECOND"])


def asked(method, url, expected, headers={}, body=None):
    request = urllib.request.Request(url, data=body, method=method, headers=headers)
    try:
        with OPENER.open(request, timeout=60) as answer:
            status, fields, told = answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        status, fields, told = error.code, error.headers, error.read()
    assert status == expected, (method, url, status, told)
    COUNTS["refusals" if status >= 400 else "golden"] += 1
    return fields, told


def log_in(expected, **credentials):
    body = json.dumps({"auth": {"RAX-KSKEY:apiKeyCredentials": credentials}}).encode()
    headers = {"Content-Type": "application/json"}
    return json.loads(asked("POST", AUTH_URL + "/v2.0/tokens", expected, headers, body)[1])


RIGHT = {"username": os.environ["USERNAME"], "apiKey": os.environ["API_KEY"]}
for name in RIGHT:
    refused = log_in(401, **{**RIGHT, name: "another"})
    assert refused["unauthorized"]["code"] == 401, refused
access = log_in(200, **RIGHT)["access"]
TOKEN = {"X-Auth-Token": access["token"]["id"]}
assert access["token"]["expires"] > "2026", access["token"]
assert access["token"]["tenant"]["id"].startswith("MossoCloudFS_"), access["token"]


def endpoints(name, kind):
    (service,) = [entry for entry in access["serviceCatalog"] if entry["name"] == name]
    assert service["type"] == kind, service
    return {entry["region"]: entry["publicURL"] for entry in service["endpoints"]}


stores, cdns = endpoints("cloudFiles", "object-store"), endpoints("cloudFilesCDN", "rax:object-cdn")
region, other = os.environ["REGION"], os.environ["OTHER_REGION"]
for catalogue in (stores, cdns):
    assert len({catalogue[region], catalogue[other]}) == 2, catalogue
storage, cdn = "%s/%s" % (stores[region], CONTAINER), "%s/%s" % (cdns[region], CONTAINER)
name = urllib.parse.quote("macs/a b+\u00e9&50%#")

# The storage is Swift's own.
asked("HEAD", storage, 401, {"X-Auth-Token": "another"})
asked("HEAD", "%s/%s" % (stores[other], CONTAINER), 404, TOKEN)
asked("PUT", "%s/%s" % (storage, name), 201, TOKEN, b"first")

# The network refuses whoever has no token, and who does not say what is wanted.
enabled = {**TOKEN, "X-Cdn-Enabled": "True", "X-Ttl": str(TTL)}
asked("PUT", cdn, 401, {**enabled, "X-Auth-Token": "another"})
asked("PUT", cdn, 400, TOKEN)
asked("PUT", cdn, 400, {**enabled, "X-Ttl": "899"})
asked("HEAD", cdn, 404, TOKEN)
asked("GET", "%s/give-out/%s/%s" % (AUTH_URL, CONTAINER, name), 404)

asked("PUT", cdn, 201, enabled)
fields = asked("HEAD", cdn, 204, TOKEN)[0]
for field in ("X-Cdn-Uri", "X-Cdn-Ssl-Uri", "X-Cdn-Streaming-Uri", "X-Cdn-Ios-Uri"):
    assert fields[field], field
assert (fields["X-Cdn-Enabled"], fields["X-Ttl"]) == ("True", str(TTL)), fields
public = "%s/%s" % (fields["X-Cdn-Ssl-Uri"], name)
assert public.startswith("https://"), public


def given():
    return asked("GET", public, 200)[1]


# It keeps what it has, until it is purged, which leaves the object where it is ...
began = time.monotonic()
assert given() == b"first"
asked("PUT", "%s/%s" % (storage, name), 201, TOKEN, b"second")
kept = given()
assert kept == b"first" or time.monotonic() - began > TTL_SECONDS / 2, kept
asked("DELETE", "%s/%s" % (cdn, name), 401, {"X-Auth-Token": "another"})
asked("DELETE", "%s/%s" % (cdn, name), 204, TOKEN)
assert given() == b"second"
assert asked("GET", "%s/%s" % (storage, name), 200, TOKEN)[1] == b"second"
assert asked("GET", public, 206, {"Range": "bytes=1-3"})[1] == b"eco"

# ... or until its time is over.
asked("PUT", "%s/%s" % (storage, name), 201, TOKEN, b"third")
time.sleep(TTL_SECONDS + 0.5)
assert given() == b"third"

# At the storage's address the same request deletes; and what is not given out any more is not.
asked("DELETE", "%s/%s" % (storage, name), 204, TOKEN)
asked("DELETE", "%s/%s" % (cdn, name), 204, TOKEN)
asked("GET", public, 404)
asked("POST", cdn, 202, {**TOKEN, "X-Cdn-Enabled": "False"})
asked("GET", public, 404)

json.dump(COUNTS, sys.stdout)
