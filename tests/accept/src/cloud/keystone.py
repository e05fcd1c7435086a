"""OpenStack's own client against the double of Keystone; what it did is printed as JSON."""

import json
import os
import sys
import time

import requests
from keystoneauth1 import exceptions, session
from keystoneauth1.identity import v3
from keystoneclient.v3 import client

CA = os.environ["CA"]
AUTH_URL = os.environ["AUTH_URL"]
LIFE_SECONDS = int(os.environ["LIFE_SECONDS"])
PASSWORD = {
    "username": os.environ["USERNAME"],
    "password": os.environ["PASSWORD"],
    "user_domain_name": os.environ["USER_DOMAIN"],
    "project_name": os.environ["PROJECT"],
    "project_domain_name": os.environ["PROJECT_DOMAIN"],
}
APPLICATION = {
    "application_credential_id": os.environ["CREDENTIAL"],
    "application_credential_secret": os.environ["CREDENTIAL_SECRET"],
}
REFUSALS = []


def logged_in(kind, **settings):
    return session.Session(auth=kind(auth_url=AUTH_URL, **settings), verify=CA)


def is_refused(what, kind, **settings):
    try:
        logged_in(kind, **settings).get_token()
    except exceptions.Unauthorized as error:
        assert error.message, what
        REFUSALS.append(what)
    else:
        sys.exit("%s was let in" % what)


def storage(session_, region):
    return session_.get_endpoint(service_type="object-store", interface="public", region_name=region)


def asked(url, token, expected, method="HEAD"):
    headers = {"X-Auth-Token": token} if token else {}
    answer = requests.request(method, url, headers=headers, verify=CA, timeout=60)
    assert answer.status_code in expected, (method, url, answer.status_code, answer.text)


password = logged_in(v3.Password, **PASSWORD)
application = logged_in(v3.ApplicationCredential, **APPLICATION)
tokens = [password.get_token(), application.get_token()]
assert len(set(tokens)) == 2

one, two = storage(password, "one"), storage(password, "two")
assert one and two and one != two, (one, two)
assert storage(application, "two") == two
try:
    sys.exit("there is a third region: %s" % storage(password, "three"))
except exceptions.EndpointNotFound:
    pass

# The token is told of, by the client that tells of tokens.
told = client.Client(session=password).tokens.validate(tokens[1])
assert told["project"]["name"] == PASSWORD["project_name"], told

for name in ("username", "password", "user_domain_name", "project_name", "project_domain_name"):
    is_refused("another " + name, v3.Password, **{**PASSWORD, name: "another"})
for name in APPLICATION:
    is_refused("another " + name, v3.ApplicationCredential, **{**APPLICATION, name: "another"})
unscoped = {name: PASSWORD[name] for name in ("username", "password", "user_domain_name")}
is_refused("no project", v3.Password, **unscoped)

# Behind it is a Swift, which lets those in whose token is good, until it ends.
# (The client asks for another one long before that, so this one is new.)
token = password.get_token()
asked(two + "/packages", token, (200, 204))
asked(two + "/packages", "another", (401,))
asked(two + "/packages", None, (401,))
asked(one + "/packages", token, (403,))
time.sleep(LIFE_SECONDS + 1)
asked(two + "/packages", token, (401,))

json.dump({"tokens": len(tokens), "refusals": len(REFUSALS), "regions": len({one, two})}, sys.stdout)
