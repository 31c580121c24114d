import { decide } from "./decide.ts";

export default decide(
  "grant",
  "Approve what another person has asked for within the last hour",
  "is granted, and whoever asked may go on",
);
