import { proveCommand } from "../prove.ts";

export default proveCommand("verify", "Read a backup back and check every byte of it");
