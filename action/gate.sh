#!/usr/bin/env bash
# The step of action.yml: runs `nightjar gate` and hands its answer on. Inputs come as variables, so that
# none of them is read as a part of this script.
set -euo pipefail

arguments=(gate "$GATE_DATABASE" --require "$GATE_REQUIRE" --timeout "$GATE_TIMEOUT" --json)
if [ -n "$GATE_NAME" ]; then arguments+=(--name "$GATE_NAME"); fi
if [ -n "$GATE_MAX_AGE" ]; then arguments+=(--max-age "$GATE_MAX_AGE"); fi

answer=$(npx --yes --package "$GATE_PACKAGE" nightjar "${arguments[@]}")
echo "$answer"
ANSWER=$answer node --input-type=module --eval '
  import { appendFileSync } from "node:fs";
  const { backup, takenAt, proof, restore } = JSON.parse(process.env.ANSWER);
  const outputs = { backup, "taken-at": takenAt, restore };
  const lines = Object.entries(outputs).map(([name, value]) => `${name}=${value}\n`);
  appendFileSync(process.env.GITHUB_OUTPUT, lines.join(""));
  const summary = `Backup \`${backup}\`, taken ${takenAt}: ${proof}.\n\nTo go back: \`${restore}\`\n`;
  appendFileSync(process.env.GITHUB_STEP_SUMMARY, summary);
'
