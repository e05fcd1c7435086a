"""One question to a bucket, answered as JSON. Settings are in the environment."""

import hashlib
import json
import os
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

BUCKET = os.environ["BUCKET"]
CLIENT = boto3.client(
    "s3",
    endpoint_url=os.environ["ENDPOINT"],
    verify=os.environ["CA"],
    region_name=os.environ["REGION"],
    aws_access_key_id=os.environ["KEY_ID"],
    aws_secret_access_key=os.environ["SECRET"],
    config=Config(
        signature_version="s3v4",
        s3={"addressing_style": "path"},
        retries={"max_attempts": 2},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    ),
)


def pages(operation, field):
    for page in CLIENT.get_paginator(operation).paginate(Bucket=BUCKET):
        yield from page.get(field, [])


def create():
    try:
        CLIENT.create_bucket(Bucket=BUCKET)
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
            raise
    return True


def remove():
    for upload in list(pages("list_multipart_uploads", "Uploads")):
        CLIENT.abort_multipart_upload(Bucket=BUCKET, Key=upload["Key"], UploadId=upload["UploadId"])
    for item in list(pages("list_objects_v2", "Contents")):
        CLIENT.delete_object(Bucket=BUCKET, Key=item["Key"])
    CLIENT.delete_bucket(Bucket=BUCKET)
    return True


def names():
    return {
        "objects": [item["Key"] for item in pages("list_objects_v2", "Contents")],
        "uploads": [item["Key"] for item in pages("list_multipart_uploads", "Uploads")],
    }


def place(key, text):
    CLIENT.put_object(Bucket=BUCKET, Key=key, Body=text.encode())
    return True


def read(key):
    """Downloads an object, a piece at a time, and keeps nothing of it."""
    answer = CLIENT.get_object(Bucket=BUCKET, Key=key)
    digest, size = hashlib.sha256(), 0
    for piece in answer["Body"].iter_chunks(1 << 20):
        digest.update(piece)
        size += len(piece)
    return {
        "key": key,
        "size": size,
        "sha256": digest.hexdigest(),
        "told_sha256": answer["Metadata"].get("sha256"),
        "disposition": answer.get("ContentDisposition"),
    }


def write(key, file):
    """Uploads a file as it is."""
    with open(file, "rb") as body:
        CLIENT.put_object(Bucket=BUCKET, Key=key, Body=body)
    return True


def read_all():
    return [read(key) for key in names()["objects"]]


COMMANDS = {
    "create": create,
    "remove": remove,
    "names": names,
    "read": read,
    "read-all": read_all,
    "write": write,
    "place": place,
}
json.dump(COMMANDS[sys.argv[1]](*sys.argv[2:]), sys.stdout)
