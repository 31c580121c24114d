import { decide } from "./decide.ts";

export default decide(
  "deny",
  "Refuse what was asked for, or take your own request back",
  "is denied",
);
