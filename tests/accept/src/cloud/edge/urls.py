"""Compares signed URLs with those of botocore, whose private key is used by openssl."""

import datetime
import json
import subprocess
import sys
import urllib.parse

from botocore.signers import CloudFrontSigner

with open(sys.argv[1], encoding="utf-8") as file:
    TOLD = json.load(file)


def signer(digest):
    def sign(message):
        command = ["openssl", "dgst", f"-{digest}", "-sign", TOLD["private"]]
        return subprocess.run(command, input=message, capture_output=True, check=True).stdout

    return CloudFrontSigner(TOLD["key_pair_id"], sign)


def theirs(case):
    url = f"{TOLD['distribution']}/{urllib.parse.quote(case['key'], safe='/~')}"
    until = datetime.datetime.fromtimestamp(case["until"], datetime.timezone.utc)
    by = signer(case["hash"])
    if case["source"] is None:
        signed = by.generate_presigned_url(url, until)
    else:
        policy = by.build_policy(url, until, ip_address=case["source"])
        signed = by.generate_presigned_url(url, policy=policy)
    # botocore leaves it to whoever chose another digest to say so.
    return signed if case["hash"] == "sha1" else f"{signed}&Hash-Algorithm=SHA256"


differing = [case["key"] for case in TOLD["cases"] if theirs(case) != case["ours"]]
json.dump({"equal": len(TOLD["cases"]) - len(differing), "differing": differing}, sys.stdout)
