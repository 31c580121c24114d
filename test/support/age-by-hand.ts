import {
  createDecipheriv,
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  hkdfSync,
} from "node:crypto";

/**
 * Open an age file with nothing but Node's own cryptography, following the specification
 * (https://github.com/C2SP/C2SP/blob/main/age.md): one X25519 recipient, one identity.
 */
export function openAge(file: Uint8Array, identity: string): Buffer {
  const bytes = Buffer.from(file);
  const macAt = bytes.indexOf("\n--- ") + 1;
  const headerEnd = bytes.indexOf("\n", macAt) + 1;
  const header = bytes.subarray(0, macAt + 3);
  const mac = Buffer.from(bytes.subarray(macAt + 4, headerEnd - 1).toString(), "base64");
  const lines = header.toString().split("\n");
  if (lines[0] !== "age-encryption.org/v1") throw new Error("not an age file");

  for (let at = 1; at < lines.length - 1; at += 2) {
    const [, type, share] = lines[at]!.split(" ");
    if (type !== "X25519") throw new Error(`a stanza of type ${type}`);
    const fileKey = unwrap(
      Buffer.from(share!, "base64"),
      Buffer.from(lines[at + 1]!, "base64"),
      identity,
    );
    if (fileKey === undefined) continue;
    const expected = createHmac("sha256", derive(fileKey, "", "header"))
      .update(header)
      .digest();
    if (!expected.equals(mac)) throw new Error("the header is another's");
    return payload(bytes.subarray(headerEnd), fileKey);
  }
  throw new Error("it is for somebody else");
}

function unwrap(share: Buffer, body: Buffer, identity: string): Buffer | undefined {
  const privateKey = createPrivateKey({
    // RFC 8410: the DER around 32 bytes of an X25519 key
    key: Buffer.concat([Buffer.from("302e020100300506032b656e04220420", "hex"), bech32(identity)]),
    format: "der",
    type: "pkcs8",
  });
  const spki = createPublicKey(privateKey).export({ format: "der", type: "spki" });
  const theirs = createPublicKey({
    key: Buffer.concat([spki.subarray(0, 12), share]),
    format: "der",
    type: "spki",
  });
  const shared = diffieHellman({ privateKey, publicKey: theirs });
  const salt = Buffer.concat([share, spki.subarray(12)]);
  const key = derive(shared, salt, "age-encryption.org/v1/X25519");
  try {
    return decrypt(body, key, Buffer.alloc(12));
  } catch {
    return undefined;
  }
}

function payload(bytes: Buffer, fileKey: Buffer): Buffer {
  const key = derive(fileKey, bytes.subarray(0, 16), "payload");
  const chunks: Buffer[] = [];
  for (let at = 16, counter = 0; at < bytes.length; at += 65_552, counter++) {
    const nonce = Buffer.alloc(12);
    nonce.writeUInt32BE(counter, 7);
    nonce[11] = at + 65_552 >= bytes.length ? 1 : 0;
    chunks.push(decrypt(bytes.subarray(at, at + 65_552), key, nonce));
  }
  return Buffer.concat(chunks);
}

function decrypt(sealed: Buffer, key: Buffer, nonce: Buffer): Buffer {
  const decipher = createDecipheriv("chacha20-poly1305", key, nonce, { authTagLength: 16 });
  decipher.setAuthTag(sealed.subarray(-16));
  return Buffer.concat([decipher.update(sealed.subarray(0, -16)), decipher.final()]);
}

function derive(secret: Buffer, salt: Buffer | string, info: string): Buffer {
  return Buffer.from(hkdfSync("sha256", secret, salt, info, 32));
}

/** Decode the 32 bytes of an identity, without checking the checksum. */
function bech32(identity: string): Buffer {
  const letters = identity.toLowerCase().slice("age-secret-key-1".length, -6);
  const bits = [...letters]
    .map((letter) =>
      "qpzry9x8gf2tvdw0s3jn54khce6mua7l".indexOf(letter).toString(2).padStart(5, "0"),
    )
    .join("");
  return Buffer.from(
    bits
      .slice(0, 256)
      .match(/.{8}/g)!
      .map((byte) => parseInt(byte, 2)),
  );
}
