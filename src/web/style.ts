/** The one stylesheet of the pages: light and dark, phone and desktop. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --paper: #fff; --ink: #1f2328; --soft: #59636e; --line: #d1d9e0; --panel: #f6f8fa; --link: #0550ae;
  --good: #1a7f37; --same: #4ac26b; --stored: #54aeff; --warn: #9a6700; --late: #d4a72c; --bad: #cf222e; --none: #d8dee4;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #0d1117; --ink: #e6edf3; --soft: #9198a1; --line: #3d444d; --panel: #151b23; --link: #6cb6ff;
    --good: #3fb950; --same: #238636; --stored: #388bfd; --warn: #d29922; --late: #bb8009; --bad: #ff7b72; --none: #2a313c;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
a { color: var(--link); }
header, main, footer { max-width: 76rem; margin: 0 auto; padding: 0 1rem; }
header { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; align-items: center; padding-top: .75rem; padding-bottom: .75rem; border-bottom: 1px solid var(--line); }
header strong a { color: inherit; text-decoration: none; font-size: 1.1rem; }
nav { display: flex; flex-wrap: wrap; gap: .25rem 1rem; flex: 1; }
nav a[aria-current] { color: inherit; font-weight: 600; text-decoration: none; }
footer { margin-top: 3rem; padding-top: 1rem; padding-bottom: 2rem; color: var(--soft); font-size: .85rem; border-top: 1px solid var(--line); }
h1 { font-size: 1.5rem; margin: 1.5rem 0 .5rem; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
p { margin: .5rem 0; max-width: 48rem; overflow-wrap: anywhere; }
code { font: .9em ui-monospace, monospace; overflow-wrap: anywhere; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: var(--panel); border: 1px solid var(--line); border-radius: .4rem; padding: .6rem .8rem; margin: .5rem 0; font: .85rem/1.5 ui-monospace, monospace; }
.soft { color: var(--soft); }
.state { font-weight: 600; white-space: nowrap; }
.state::before { content: ""; display: inline-block; width: .65em; height: .65em; border-radius: 50%; background: currentColor; margin-right: .4em; }
.good { color: var(--good); } .warn { color: var(--warn); } .bad { color: var(--bad); } .idle { color: var(--soft); }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1rem; }
th, td { text-align: left; padding: .4rem .6rem .4rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th { font-weight: 600; color: var(--soft); font-size: .85rem; }
td.number, th.number { text-align: right; padding-right: 1rem; font-variant-numeric: tabular-nums; }
.facts { display: grid; grid-template-columns: repeat(auto-fill, minmax(13rem, 1fr)); gap: .75rem; margin: 1rem 0; padding: 0; }
.facts > div { background: var(--panel); border: 1px solid var(--line); border-radius: .4rem; padding: .6rem .8rem; }
.facts dt { color: var(--soft); font-size: .85rem; } .facts dd { margin: 0; font-weight: 600; overflow-wrap: anywhere; } .facts small { font-weight: 400; color: var(--soft); display: block; }
svg { display: block; max-width: 100%; }
.strip { width: 11.25rem; height: 1.1rem; }
.strip path { stroke-width: 20; stroke-dasharray: 3 1; fill: none; }
.day { stroke: none; }
path.proven { stroke: var(--good); } path.unchanged { stroke: var(--same); } path.stored { stroke: var(--stored); } path.late { stroke: var(--late); } path.failed { stroke: var(--bad); } path.none { stroke: var(--none); }
rect.proven { fill: var(--good); } rect.unchanged { fill: var(--same); } rect.stored { fill: var(--stored); } rect.late { fill: var(--late); } rect.failed { fill: var(--bad); } rect.none { fill: var(--none); }
.legend { display: flex; flex-wrap: wrap; gap: .25rem 1rem; list-style: none; padding: 0; margin: .5rem 0; font-size: .85rem; color: var(--soft); }
.legend svg { display: inline-block; width: .8rem; height: .8rem; vertical-align: -.1rem; margin-right: .3rem; }
.chart { width: 100%; height: auto; } .chart polyline { fill: none; stroke: var(--link); stroke-width: 1.5; } .chart text { fill: var(--soft); font: 11px system-ui, sans-serif; } .chart line { stroke: var(--line); }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(22rem, 100%), 1fr)); gap: 1rem; }
.charts figure { margin: 0; } figcaption { color: var(--soft); font-size: .85rem; }
form { margin: .5rem 0; } form.line { display: inline-block; margin: 0 .4rem .4rem 0; }
fieldset { border: 1px solid var(--line); border-radius: .4rem; margin: .5rem 0; padding: .6rem .8rem; }
label { display: inline-block; margin: .2rem 1rem .2rem 0; }
input, select, button { font: inherit; color: inherit; background: var(--paper); border: 1px solid var(--soft); border-radius: .35rem; padding: .3rem .6rem; max-width: 100%; }
input[type="checkbox"] { width: 1.1rem; height: 1.1rem; vertical-align: -.15rem; }
button { background: var(--panel); cursor: pointer; } button.bad { border-color: var(--bad); font-weight: 600; }
a:focus-visible, button:focus-visible, input:focus-visible, select:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
.note { border-left: .25rem solid var(--warn); background: var(--panel); padding: .5rem .8rem; margin: .75rem 0; }
.note.bad { border-color: var(--bad); color: inherit; } .note.good { border-color: var(--good); color: inherit; } .note ul { margin: 0; padding-left: 1.2rem; }
h3 { font-size: .95rem; margin: 1rem 0 .25rem; }
details { border-bottom: 1px solid var(--line); padding: .5rem 0; } summary { cursor: pointer; overflow-wrap: anywhere; }
progress { width: 100%; max-width: 30rem; }
@media (max-width: 48rem) {
  table.wide, table.wide tbody, table.wide tr, table.wide td { display: block; }
  table.wide thead { display: block; position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  table.wide tr { border-bottom: 1px solid var(--line); padding: .5rem 0; }
  table.wide td { border: 0; padding: .1rem 0; overflow-wrap: anywhere; }
  table.wide td.number { text-align: left; }
  table.wide td[data-of]::before { content: attr(data-of) ": "; color: var(--soft); }
}
`;
