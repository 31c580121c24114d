import { proveCommand } from "../prove.ts";

export default proveCommand("drill", "Rehearse the restore of a backup, and ask SQLite about it");
