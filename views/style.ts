// The style of every page: one sheet, so that the page's own Content-Security-Policy can contain its digest.

/**
 * Colours by meaning, light and dark. Text has a contrast of at least 4.5 to 1 with its background, other things that must be seen 3 to
 * 1.
 */
const tokens: Readonly<Record<string, readonly [light: string, dark: string]>> = {
  bg: ['#fbfbf9', '#121416'],
  surface: ['#ffffff', '#191c1f'],
  sunken: ['#f3f3ee', '#202427'],
  line: ['#e6e5df', '#2a2e32'],
  line2: ['#c9c8c0', '#464c52'],
  ink: ['#1b1e21', '#ebebe8'],
  ink2: ['#51565c', '#b0b5ba'],
  ink3: ['#686d73', '#8f959b'],
  // Members, what was delivered, what is current.
  main: ['#17607a', '#62abc9'],
  soft: ['#cfe0e6', '#24414e'],
  came: ['#0f7364', '#4fbfa9'],
  went: ['#a84a12', '#ea9659'],
  held: ['#8a6100', '#dcb44c'],
  'held-bg': ['#fcf6e6', '#2c2614'],
  bad: ['#b3223a', '#f27d8b'],
  // People left out: fills and dashes, never text.
  out: ['#8b908f', '#71777d'],
  add: ['#e3f3ee', '#16302b'],
  del: ['#fbeadf', '#38251a'],
}

function declared(column: 0 | 1): string {
  return Object.entries(tokens)
    .map(([name, colours]) => `--${name}: ${colours[column]};`)
    .join(' ')
}

const sans =
  'Inter, ui-sans-serif, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", "Liberation Sans", Arial, sans-serif'
const mono =
  'ui-monospace, "SF Mono", "Cascadia Mono", Menlo, Consolas, "DejaVu Sans Mono", "Liberation Mono", monospace'

const sheet = `
:root { color-scheme: light dark; ${declared(0)} --sans: ${sans}; --mono: ${mono}; }
@media screen and (prefers-color-scheme: dark) { :root { ${declared(1)} } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--bg); color: var(--ink); font: 400 15px/24px var(--sans); overflow-wrap: anywhere; }
bdi { unicode-bidi: isolate; }
.skip { position: absolute; left: -999px; }
.skip:focus { left: 16px; top: 8px; padding: 8px 12px; background: var(--surface); z-index: 2; }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
a { color: inherit; text-decoration: underline 1px var(--line2); text-underline-offset: 3px; }
a:hover { color: var(--main); text-decoration-color: var(--main); }
:focus-visible { outline: 2px solid var(--main); outline-offset: 3px; border-radius: 3px; }
.wrap { max-width: 1160px; margin: 0 auto; padding: 0 24px; }

.bar { border-bottom: 1px solid var(--line); background: var(--surface); }
.bar .wrap { display: flex; align-items: center; gap: 28px; min-height: 52px; }
.brand { display: flex; align-items: center; gap: 9px; font-weight: 650; letter-spacing: -.01em; text-decoration: none; flex: none; }
.brand svg { display: block; }
.bar nav { display: flex; gap: 20px; font-size: 14px; min-width: 0; overflow-x: auto; scrollbar-width: none; }
.bar nav a { color: var(--ink2); text-decoration: none; white-space: nowrap; padding: 14px 0 12px; border-bottom: 2px solid transparent; }
.bar nav a:hover { color: var(--ink); }
.bar nav a[aria-current] { color: var(--ink); border-color: var(--main); }
.bar .where { margin-left: auto; font-size: 13px; color: var(--ink3); text-align: right; }

header.top { padding: 44px 0 4px; }
.meta { margin: 0 0 10px; font-size: 13px; line-height: 20px; color: var(--ink3); }
.meta b { font-weight: 550; color: var(--ink2); }
h1 { margin: 0; max-width: 27em; font-size: 32px; line-height: 40px; font-weight: 650; letter-spacing: -.022em; text-wrap: balance; }
.lead { margin: 12px 0 0; max-width: 46em; font-size: 17px; line-height: 27px; color: var(--ink2); text-wrap: pretty; }
.lead b { color: var(--ink); font-weight: 600; }
.lead b.came { color: var(--came); }
.lead b.went { color: var(--went); }
section { margin-top: 52px; }
h2 { margin: 0; font-size: 19px; line-height: 28px; font-weight: 620; letter-spacing: -.012em; }
h3 { margin: 0; font-size: 15px; line-height: 24px; font-weight: 600; }
.sub { margin: 2px 0 18px; max-width: 60em; font-size: 14px; line-height: 22px; color: var(--ink2); text-wrap: pretty; }
h2 + table, h2 + .plain, h2 + svg.chart, h2 + svg.chart + .lineage, h2 + .empty, h2 + .gauges, h2 + details, h2 + .ranked { margin-top: 14px; }
.panel { background: var(--surface); border: 1px solid var(--line); border-radius: 10px; }
.pad { padding: 20px 24px; }
.two { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); gap: 52px; }
code, .code { font: 400 12.5px/20px var(--mono); }
code { padding: 2px 5px; border-radius: 4px; background: var(--sunken); overflow-wrap: anywhere; }
.id { font: 400 12px/18px var(--mono); color: var(--ink3); overflow-wrap: anywhere; }
.num { text-align: right; white-space: nowrap; overflow-wrap: normal; }
.nw { white-space: nowrap; overflow-wrap: normal; }
.dim { color: var(--ink3); }
.soft { color: var(--ink2); }
.strong { font-weight: 600; }
.came { color: var(--came); }
.went { color: var(--went); }
.held { color: var(--held); }
.bad { color: var(--bad); }
.empty { color: var(--ink2); font-size: 14px; line-height: 22px; margin: 2px 0 0; max-width: 60em; }

.todo { list-style: none; margin: 16px 0 0; padding: 0; }
.todo li { display: grid; grid-template-columns: 20px minmax(0, 1fr) auto; gap: 2px 12px; padding: 16px 24px 16px 20px; border-top: 1px solid var(--line); }
.todo li:first-child { border-top: 0; }
.todo .mark { padding-top: 6px; }
.todo .mark svg { display: block; }
.todo p { margin: 2px 0 0; max-width: 50em; font-size: 14px; line-height: 22px; color: var(--ink2); text-wrap: pretty; }
.todo h3 { text-wrap: pretty; }
.todo .act { justify-self: end; max-width: 430px; text-align: right; font-size: 13px; line-height: 20px; color: var(--ink3); }
.todo .act code { display: inline-block; text-align: left; }
.todo .pic { grid-column: 2 / -1; margin-top: 12px; }
.todo li.is-decide { background: var(--held-bg); }
.todo li.is-decide .act { color: var(--ink2); }
.todo li.is-decide:first-child { border-radius: 9px 9px 0 0; }
.todo li.is-decide:last-child { border-radius: 0 0 9px 9px; }
.todo li.is-decide:first-child:last-child { border-radius: 9px; }
.todo li.is-decide code { background: var(--surface); }
.fine { display: flex; gap: 10px; align-items: baseline; }

table, .num, svg text, .gauges, .steps { font-variant-numeric: tabular-nums; }
table { width: 100%; border-collapse: collapse; font-size: 14px; line-height: 20px; }
caption { text-align: left; }
th { padding: 6px 12px 8px; font-size: 12.5px; font-weight: 500; color: var(--ink3); text-align: left; vertical-align: bottom; border-bottom: 1px solid var(--line2); }
th.num { text-align: right; }
td { padding: 9px 12px; border-bottom: 1px solid var(--line); vertical-align: middle; }
tbody th { font-size: 14px; font-weight: 400; color: var(--ink); padding-top: 9px; padding-bottom: 9px; border-bottom: 1px solid var(--line); vertical-align: middle; }
th:first-child, td:first-child { padding-left: 0; }
th:last-child, td:last-child { padding-right: 0; }
tr.group th { padding: 26px 0 8px; font-size: 14px; color: var(--ink2); border-bottom: 1px solid var(--line2); }
tr.group b { color: var(--ink); font-weight: 600; }
tfoot td, tfoot th { font-size: 14px; font-weight: 600; color: var(--ink); padding: 9px 12px; border-bottom: 0; border-top: 1px solid var(--line2); }
tfoot th:first-child { padding-left: 0; }
tbody tr:not(.group):hover > * { background: color-mix(in srgb, var(--sunken) 55%, transparent); }
.name a { font-weight: 550; text-decoration: none; }
.name a:hover { text-decoration: underline; }
.name b { font-weight: 550; }
.name .id, .block { display: block; }
.tag { display: inline-block; padding: 1px 7px; border: 1px solid var(--line2); border-radius: 9px; font-size: 12px; line-height: 18px; color: var(--ink2); white-space: nowrap; }
.tag.held { border-color: var(--held); color: var(--held); background: var(--held-bg); }
.tag.bad { border-color: var(--bad); color: var(--bad); }
.scroll { overflow-x: auto; }
.cell { display: grid; grid-template-columns: 72px auto; gap: 12px; align-items: center; justify-content: start; white-space: nowrap; }
.cell svg { display: block; }
td.pic svg { display: block; overflow: visible; }

.ledger { margin: 0; }
.ledger .row { padding: 14px 0 10px; }
.ledger .row + .row { border-top: 1px dashed var(--line2); }
.ledger .head { display: flex; flex-wrap: wrap; align-items: baseline; gap: 0 10px; margin-bottom: 8px; }
.ledger .head b { font-size: 20px; line-height: 28px; font-weight: 620; letter-spacing: -.01em; }
.ledger .head span { font-size: 14px; color: var(--ink2); }
.parts { display: flex; flex-wrap: wrap; justify-content: flex-end; gap: 4px 28px; margin: 9px 0 0; padding: 0; list-style: none; font-size: 14px; line-height: 22px; }
.parts b { font-weight: 600; }
.parts svg { display: inline-block; margin-right: 7px; vertical-align: -1px; }
.sum { display: flex; flex-wrap: wrap; gap: 4px 28px; margin: 8px 0 0; padding-top: 12px; border-top: 1px solid var(--line); font-size: 13px; color: var(--ink3); }
.sum b { font-weight: 550; color: var(--ink2); }

.gauges, .steps, .plain, .lineage { list-style: none; margin: 0; padding: 0; font-size: 14px; line-height: 20px; }
.gauges li, .steps li { display: grid; grid-template-columns: minmax(0, 1fr) auto; gap: 6px 12px; padding: 0 0 15px; }
.gauges svg, .steps svg { grid-column: 1 / -1; }
.waterfall li { grid-template-columns: minmax(0, 260px) minmax(0, 1fr); gap: 12px; padding: 0 0 8px; align-items: center; }
.ranked li { grid-template-columns: minmax(0, 230px) minmax(0, 1fr); gap: 12px; padding: 0 0 7px; align-items: center; }
.waterfall svg, .ranked svg { grid-column: auto; }
.waterfall .kept span, .waterfall .result span { font-weight: 600; }
.waterfall .dropped span { color: var(--ink3); }
.day { display: grid; grid-template-columns: minmax(0, 200px) minmax(0, 1fr); gap: 12px; }
.day > div { padding-top: 24px; font-size: 14px; }
.day span { display: block; height: 38px; line-height: 48px; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.plain { line-height: 22px; }
.plain li { padding: 8px 0; border-top: 1px solid var(--line); }
.facts { display: flex; flex-wrap: wrap; gap: 18px 44px; margin: 22px 0 0; font-size: 14px; line-height: 22px; }
.facts div { min-width: 0; }
.facts dt { font-size: 12.5px; color: var(--ink3); }
.facts dd { margin: 0; }
.stats { display: grid; grid-template-columns: repeat(auto-fit, minmax(190px, 1fr)); margin: 34px 0 0; border-top: 1px solid var(--line); border-bottom: 1px solid var(--line); }
.stats div { padding: 14px 20px 16px; border-left: 1px solid var(--line); }
.stats div:first-child { border-left: 0; padding-left: 0; }
.stats dt { font-size: 13px; line-height: 20px; color: var(--ink3); }
.stats dd { margin: 2px 0 0; font-size: 14px; line-height: 32px; color: var(--ink2); }
.stats b { font-size: 24px; font-weight: 620; letter-spacing: -.015em; color: var(--ink); }

pre { margin: 0; font: 400 13px/22px var(--mono); white-space: pre-wrap; overflow-wrap: anywhere; }
.kw { color: var(--main); font-weight: 600; }
.fn { color: var(--came); }
.st { color: var(--went); }
.nu { color: var(--held); }
.op { color: var(--ink3); }
.wrong { text-decoration: underline wavy 1.5px var(--bad); text-underline-offset: 4px; }
.definition { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1.15fr); overflow: hidden; }
.definition > div { padding: 20px 24px; }
.definition > div + div { background: var(--sunken); border-left: 1px solid var(--line); }
.definition h3 { margin-bottom: 8px; font-size: 12.5px; font-weight: 500; line-height: 20px; color: var(--ink3); }
.words { list-style: none; margin: 0; padding: 0; }
.words .words { padding-left: 20px; }
.words li { padding: 3px 0 3px 22px; position: relative; }
.words li::before { content: ""; position: absolute; left: 2px; top: 12px; width: 8px; height: 8px; border-radius: 4px; background: var(--main); }
.words li.join { padding-top: 0; padding-bottom: 0; color: var(--ink2); font-size: 14px; }
.words li.join::before, .words li.branch::before { display: none; }
.words li.branch { padding-left: 0; }
.words b { font-weight: 600; }
.diff { font: 400 13px/22px var(--mono); }
.diff > div { padding: 0 20px; white-space: pre-wrap; }
.diff .add { background: var(--add); }
.diff .del { background: var(--del); }
.diff .add b { color: var(--came); text-decoration: underline; font-weight: 650; }
.diff .del b { color: var(--went); text-decoration: underline; font-weight: 650; }
.diff .path { padding-top: 12px; padding-bottom: 10px; font: 400 14px/22px var(--sans); white-space: normal; border-top: 1px solid var(--line); }
.diff .path:first-child { border-top: 0; }
.diff .path + div { padding-top: 6px; }
.diff div.last { padding-bottom: 10px; }

details { margin-top: 14px; font-size: 14px; }
summary { width: max-content; max-width: 100%; cursor: pointer; font-size: 13px; color: var(--ink2); }
details table { margin-top: 10px; max-width: 680px; }
footer { margin: 72px 0 48px; padding-top: 16px; border-top: 1px solid var(--line); font-size: 13px; line-height: 20px; color: var(--ink3); }
footer p { margin: 0 0 6px; max-width: 64em; }
.narrow, .only-narrow { display: none; }
.plot { display: grid; grid-template-columns: minmax(0, 1fr) 104px; column-gap: 10px; }
.plot.axis { grid-template-columns: 44px minmax(0, 1fr) 104px; }
.lineage li { position: relative; padding: 0 0 16px 16px; border-left: 2px solid var(--line2); line-height: 22px; }
.lineage li > span { display: block; }
.lineage li::before { content: ""; position: absolute; left: -5px; top: 7px; width: 8px; height: 8px; border-radius: 4px; background: var(--main); }
.lineage li:last-child { border-color: transparent; padding-bottom: 0; }
.search { display: block; width: 100%; max-width: 460px; padding: 9px 12px; font: 400 15px/22px var(--sans); color: var(--ink); background: var(--surface); border: 1px solid var(--line2); border-radius: 8px; }
.search::placeholder { color: var(--ink3); opacity: 1; }
.letters { display: flex; flex-wrap: wrap; gap: 4px 14px; margin: 14px 0 0; padding: 0; list-style: none; font-size: 14px; }
.matrix td, .matrix th { padding: 6px 8px; text-align: right; white-space: nowrap; overflow-wrap: normal; }
.matrix th:first-child { text-align: left; padding-left: 0; }

svg a { text-decoration: none; }
svg a:hover text, svg a:focus text { text-decoration: underline; }
svg.chart { display: block; width: 100%; overflow: visible; }
svg text { font: 400 12px var(--sans); fill: var(--ink2); }
svg text.k { fill: var(--ink3); }
svg text.b { fill: var(--ink); font-weight: 600; }
svg text.on { fill: var(--surface); font-weight: 550; }
svg text.big { font-size: 17px; font-weight: 620; }
svg text.t-main { fill: var(--main); }
svg text.t-came { fill: var(--came); }
svg text.t-went { fill: var(--went); }
svg text.t-held { fill: var(--held); }
svg text.t-bad { fill: var(--bad); }
.f-main { fill: var(--main); }
.f-main2 { fill: color-mix(in srgb, var(--main) 80%, var(--surface)); }
.f-main3 { fill: color-mix(in srgb, var(--main) 45%, var(--surface)); }
.f-soft { fill: var(--soft); }
.f-came { fill: var(--came); }
.f-went { fill: var(--went); }
.f-hatch { fill: url(#hatch); }
.f-held { fill: var(--held); }
.f-held-bg { fill: var(--held-bg); }
.f-bad { fill: var(--bad); }
.f-out { fill: var(--out); }
.f-line { fill: var(--line); }
.gap { fill: var(--surface); }
.f-ink3 { fill: var(--ink3); }
.s-main { stroke: var(--main); }
.s-held { stroke: var(--held); }
.s-line { stroke: var(--line); }
.s-line2 { stroke: var(--line2); }
.s-ink3 { stroke: var(--ink3); }
.s-out { stroke: var(--out); }
.path { fill: none; stroke-width: 1.75; stroke-linejoin: round; vector-effect: non-scaling-stroke; }
.gone { fill: none; stroke: var(--out); stroke-width: 1; stroke-dasharray: 3 3; }
.ring { fill: none; stroke: var(--held); stroke-width: 1.75; }
.node { fill: var(--surface); stroke: var(--line2); stroke-width: 1; }
.node.off { fill: none; stroke-dasharray: 3 3; }
.node.held { stroke: var(--held); stroke-width: 1.5; }
.node.bad { stroke: var(--bad); stroke-width: 1.5; }
.edge { fill: none; stroke: var(--line2); stroke-width: 1.25; }
.edge.off { stroke-dasharray: 3 3; }

@media (min-width: 761px) { .goes { min-width: 132px; } }
@media (max-width: 1080px) { .segments .change { display: none; } }
@media (max-width: 900px) {
  .two { grid-template-columns: minmax(0, 1fr); gap: 0; }
  .wide, svg.wide { display: none; }
  .narrow { display: block; }
  .definition { grid-template-columns: minmax(0, 1fr); }
  .definition > div + div { border-left: 0; border-top: 1px solid var(--line); }
  .todo li { grid-template-columns: 20px minmax(0, 1fr); }
  .todo .act { grid-column: 2; justify-self: start; text-align: left; margin-top: 8px; max-width: none; }
  .segments td, .segments th { padding-left: 7px; padding-right: 7px; }
  .segments .cell { grid-template-columns: 44px auto; gap: 8px; }
}
@media (max-width: 760px) {
  .wrap { padding: 0 16px; }
  .bar .wrap { gap: 16px; }
  .bar nav { gap: 15px; font-size: 13.5px; }
  .bar .where { display: none; }
  header.top { padding-top: 28px; }
  h1 { font-size: 25px; line-height: 32px; }
  .lead { font-size: 16px; line-height: 25px; }
  section { margin-top: 44px; }
  .pad, .definition > div { padding: 16px; }
  .diff > div { padding-left: 14px; padding-right: 14px; }
  .todo li { grid-template-columns: 18px minmax(0, 1fr); gap: 2px 10px; padding: 14px 16px 14px 12px; }
  .parts { justify-content: flex-start; }
  .waterfall li, .ranked li { grid-template-columns: minmax(0, 1fr); gap: 2px; }
  .day { grid-template-columns: minmax(0, 96px) minmax(0, 1fr); }
  .hide-narrow, svg text.hide-narrow { display: none; }
  .stack text { display: none; }
  li.only-narrow, ul.only-narrow, div.only-narrow { display: block; }
  span.only-narrow { display: inline; }
  .stats { grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); }
  .stats div, .stats div:first-child { padding: 12px 12px 12px 0; border-left: 0; }
  .plot { grid-template-columns: minmax(0, 1fr) 84px; }
  .plot.axis { grid-template-columns: 34px minmax(0, 1fr) 84px; }
  th, td { padding-left: 7px; padding-right: 7px; }
  table.cards thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  table.cards, table.cards tbody, table.cards tr, table.cards td, table.cards tbody th { display: block; padding: 0; border: 0; }
  table.cards tr { display: grid; grid-template-columns: 116px minmax(0, 1fr) auto; gap: 6px 14px; align-items: center; padding: 12px 0; border-bottom: 1px solid var(--line); }
  table.cards tr.group { display: block; padding: 22px 0 8px; }
  .segments .name { grid-column: 1 / 3; }
  .segments .members { grid-column: 3; font-size: 17px; }
  .segments .spark { grid-column: 1; grid-row: 2; }
  .segments .flow { grid-column: 2; grid-row: 2; }
  .segments .flow svg { display: none; }
  .segments .arrived { grid-column: 3; grid-row: 2; text-align: right; }
  .segments .cell { grid-template-columns: auto; }
  .segments .cell svg { display: none; }
}
@media print {
  :root { color-scheme: light; }
  body { background: #fff; font-size: 11pt; }
  .bar nav, .skip, .search { display: none; }
  .wrap { max-width: none; padding: 0; }
  section { break-inside: avoid-page; }
  tr, li { break-inside: avoid; }
  svg, .panel, .diff .add, .diff .del { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  details:not([open]) > *, details::details-content { display: block; content-visibility: visible; }
  a { text-decoration: none; }
}
`

/** The sheet without the white space that only its readers need. */
export const style = sheet
  .replace(/\s*\n\s*/g, '')
  .replace(/\s*([{};,>])\s*/g, '$1')
  .replace(/: /g, ':')
  .replace(/;}/g, '}')
