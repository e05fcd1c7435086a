"""Makes the golden vectors anew: from the inputs in each file, what others' code makes of them.

    pip install botocore==1.44.8 cryptography==50.0.2 python-swiftclient==4.11.0 \
        keystoneauth1==5.18.1 netstorageapi==1.2.13 akamai-edgeauth==0.3.2 edgegrid-python==2.0.9
    python3 make.py

Nothing goes over a network, and nothing here is of `xylem-cloud`. `git diff` shows what changed:
after a run with these versions nothing. New cases are put into the files without their outputs.
"""

import base64
import datetime
import hashlib
import hmac
import json
import pathlib
import random
import time
from unittest import mock
from urllib.parse import unquote

import botocore.auth
import botocore.session
from akamai.edgeauth import EdgeAuth
from akamai.edgegrid.edgegrid import EdgeGridAuthHeaders
from akamai.netstorage import Netstorage
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.serialize import create_serializer
from botocore.signers import CloudFrontSigner
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from keystoneauth1 import session as keystone_session
from keystoneauth1.identity import v3
from swiftclient.utils import generate_temp_url

HERE = pathlib.Path(__file__).parent
UTC = datetime.timezone.utc
NOW = datetime.datetime(2026, 1, 31, 8, tzinfo=UTC)
NONCE = 382644692
KEY_ID = "AKIDEXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
REGION = "eu-central-1"


def file(name, make):
    path = HERE / name
    told = json.loads(path.read_text())
    make(told)
    path.write_text(json.dumps(told, indent=1, ensure_ascii=False))


def clock_of_botocore():
    now = NOW.replace(tzinfo=None)
    return mock.patch.object(botocore.auth, "get_current_datetime", lambda: now)


def signed(auth, case, credentials, service, region):
    query = f"?{case['query']}" if case["query"] else ""
    headers = dict(case["headers"])
    headers["X-Amz-Content-SHA256"] = case["body_sha256"]
    url = f"https://{case['host']}{case['path']}{query}"
    request = AWSRequest(case["method"], url, headers=headers)
    signer = auth(credentials, service, region)
    # The digest is the case's, whose bytes are not kept.
    signer.payload = lambda _: case["body_sha256"]
    with clock_of_botocore():
        signer.add_auth(request)
    return request


def s3_headers(told):
    for case in told["signed"]:
        credentials = Credentials(KEY_ID, SECRET, case["token"])
        request = signed(botocore.auth.S3SigV4Auth, case, credentials, "s3", REGION)
        case["authorization"] = request.headers["Authorization"]
        case["date"] = request.headers["X-Amz-Date"]


def s3_presigned(told):
    for case in told["presigned"]:
        url = f"https://packages.s3.{REGION}.amazonaws.com{case['path']}"
        params = {"response-content-disposition": case["disposition"]}
        request = AWSRequest("GET", url, params=params)
        request.url = request.prepare().url
        request.params = {}
        credentials = Credentials(KEY_ID, SECRET, case["token"])
        with clock_of_botocore():
            auth = botocore.auth.S3SigV4QueryAuth(credentials, "s3", REGION, expires=600)
            auth.add_auth(request)
        case["url"] = request.url


def rsa(digest):
    key = serialization.load_pem_private_key((HERE / "cloudfront-rsa.pem").read_bytes(), None)
    return lambda message: key.sign(message, padding.PKCS1v15(), digest)


def cloudfront(told):
    signer = CloudFrontSigner(told["key_pair_id"], rsa(hashes.SHA256()))
    older = CloudFrontSigner(told["key_pair_id"], rsa(hashes.SHA1()))
    moment = lambda seconds: datetime.datetime.fromtimestamp(seconds, UTC)
    for case in told["cases"]:
        if case["kind"] == "canned":
            until = moment(case["expires"])
            case["signed"] = signer.generate_presigned_url(case["url"], until)
            case["signed_sha1"] = older.generate_presigned_url(case["url"], until)
            continue
        case["policy"] = signer.build_policy(
            case["url"], moment(case["expires"]), ip_address=case["ip"]
        )
        case["signed"] = signer.generate_presigned_url(case["url"], policy=case["policy"])
        case["signed_sha1"] = older.generate_presigned_url(case["url"], policy=case["policy"])


def invalidation(told):
    model = botocore.session.Session().get_service_model("cloudfront", "2020-05-31")
    operation = model.operation_model("CreateInvalidation")
    paths = {"Quantity": len(told["paths"]), "Items": told["paths"]}
    asked = {
        "DistributionId": told["path"].split("/")[3],
        "InvalidationBatch": {"Paths": paths, "CallerReference": told["reference"]},
    }
    made = create_serializer("rest-xml").serialize_to_request(asked, operation)
    told["body"] = made["body"].decode()
    told["body_sha256"] = hashlib.sha256(made["body"]).hexdigest()
    assert (made["method"], made["url_path"]) == (told["method"], told["path"])
    # Not S3's signer: CloudFront's paths are encoded twice, and this one has nothing to encode.
    auth = botocore.auth.SigV4Auth
    request = signed(auth, told, Credentials(KEY_ID, SECRET), "cloudfront", "us-east-1")
    told["authorization"] = request.headers["Authorization"]
    told["date"] = request.headers["X-Amz-Date"]


def temp_url(told):
    for case in told["cases"]:
        made = generate_temp_url(
            case["path"],
            case["ends"],
            told["key"],
            case["method"],
            absolute=True,
            digest=case["digest"],
        )
        case["signature"] = made.split("temp_url_sig=")[1].split("&")[0]


def keystone(told):
    names = {
        "username": "cloud",
        "user_domain_name": "Default",
        "project_name": "macs",
        "project_domain_name": "Default",
    }
    url = "https://keystone.example.org/identity/v3"
    plugins = {
        "password": v3.Password(url, password='p"w é', **names),
        "application": v3.ApplicationCredential(
            url, application_credential_id="0f1e", application_credential_secret="s3"
        ),
    }
    for name, plugin in plugins.items():
        # What stops it once it has made its request.
        with mock.patch.object(keystone_session.Session, "post", side_effect=RuntimeError) as post:
            try:
                plugin.get_auth_ref(keystone_session.Session())
            except RuntimeError:
                pass
        posted = post.call_args
        path = posted.args[0].removeprefix("https://keystone.example.org")
        told[name] = {"path": path, "body": posted.kwargs["json"]}


def netstorage(told):
    client = Netstorage("h", told["account"], told["key"], ssl=True)
    documented = told["documented"]
    text = f"{documented['data']}{documented['path']}\nx-akamai-acs-action:{documented['action']}\n"
    digest = hmac.new(told["key"].encode(), text.encode(), hashlib.sha256).digest()
    # Printed in the documentation: checked, not made.
    assert base64.b64encode(digest).decode() == documented["signature"]
    for case in told["cases"]:
        client.http_client = mock.Mock()
        clock = mock.patch.object(time, "time", NOW.timestamp)
        with clock, mock.patch.object(random, "getrandbits", lambda _: NONCE):
            action = case["action"].removeprefix("version=1&action=")
            client._request(action=action, method="POST", path=unquote(case["path"]))
        headers = client.http_client.post.call_args.kwargs["headers"]
        assert client.http_client.post.call_args.args[0] == f"https://h{case['path']}"
        case["data"] = headers["X-Akamai-ACS-Auth-Data"]
        case["signature"] = headers["X-Akamai-ACS-Auth-Sign"].decode()


def edge_token(told):
    for case in told["cases"]:
        times = {"start_time": told["starts"], "end_time": told["ends"]}
        auth = EdgeAuth(key=told["secret"], salt=case["salt"], **times)
        case["token"] = auth.generate_acl_token(case["acl"])


def edgegrid(told):
    tokens = ("akab-client-token-xxx", "client-secret=", "akab-access-token-xxx")
    host = "akab-host.luna.akamaiapis.net"
    url = f"https://{host}/ccu/v3/delete/url/production"
    request = mock.Mock(method="POST", url=url, body=told["body"], headers={"host": host})
    stamp = NOW.strftime("%Y%m%dT%H:%M:%S+0000")
    auth = EdgeGridAuthHeaders(*tokens)
    told["authorization"] = auth.make_auth_header(request, stamp, f"{NONCE:016x}")


file("s3-headers.json", s3_headers)
file("s3-presigned.json", s3_presigned)
file("cloudfront-botocore.json", cloudfront)
file("cloudfront-invalidation.json", invalidation)
file("swift-temp-url.json", temp_url)
file("swift-keystone.json", keystone)
file("netstorage.json", netstorage)
file("edge-token.json", edge_token)
file("edgegrid.json", edgegrid)
