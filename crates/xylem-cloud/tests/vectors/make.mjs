// Makes `cloudfront-sdk-js.json` anew, as `make.py` does the others.
//
//     npm install @aws-sdk/cloudfront-signer@3.1166.0
//     node make.mjs
import { getSignedUrl } from "@aws-sdk/cloudfront-signer";
import { readFileSync, writeFileSync } from "node:fs";

const here = (name) => new URL(name, import.meta.url);
const privateKey = readFileSync(here("cloudfront-rsa.pem"), "utf8");
const told = JSON.parse(readFileSync(here("cloudfront-sdk-js.json"), "utf8"));
for (const each of told.cases) {
  each.signed = getSignedUrl({
    url: each.url,
    keyPairId: told.key_pair_id,
    privateKey,
    dateLessThan: new Date(each.expires * 1000).toISOString(),
    ipAddress: each.ip ?? undefined,
    algorithm: "SHA256",
  });
}
writeFileSync(here("cloudfront-sdk-js.json"), JSON.stringify(told, null, 1));
