export { BcryptHasher } from "./bcrypt-hasher.ts";
export { NodeDisk } from "./node-disk.ts";
export { NodeHostNames } from "./node-host-names.ts";
export { NodeRandom } from "./node-random.ts";
export { sdNotify } from "./sd-notify.ts";
export { type TokenKeys, TokenKeyError, tokenSigner } from "./token-signer.ts";
