// Pictures as plain SVG without a view box, so that text keeps its size at any width: widths are in per cent, heights in pixels. Each
// says in a sentence what it shows. Only the path of a line is stretched, in a frame of its own.
import { type Html, html } from './html.ts'
import { count, date, percent, signed } from './words.ts'

/** A length along a picture, in per cent of its width. */
function along(value: number): string {
  return `${Math.round(value * 100) / 100}%`
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}

export type Point = { readonly at: string; readonly value: number }

/** Sizes over time, in small; from zero, so that a size that hardly moves looks so. null for fewer than two. */
export function sparkline(points: readonly Point[], width = 112, height = 28): Html | null {
  const last = points.at(-1)
  if (last === undefined || points.length < 2) return null
  const most = Math.max(1, ...points.map(({ value }) => value))
  const left = 3
  const bottom = height - 1
  const x = (index: number): number => round(left + (index * (width - 2 * left)) / (points.length - 1))
  const y = (value: number): number => round(bottom - ((bottom - 4) * value) / most)
  const line = points.map(({ value }, index) => `${x(index)},${y(value)}`).join(' ')
  const words = `${count(points[0]!.value)} on ${date(points[0]!.at)}, ${count(last.value)} on ${date(last.at)}`
  return html`<svg width="${width}" height="${height}" role="img" aria-label="${words}"><polygon class="f-soft" points="${left},${bottom} ${line} ${x(points.length - 1)},${bottom}"/><polyline class="s-main" fill="none" stroke-width="1.5" stroke-linejoin="round" points="${line}"/><circle class="f-main" cx="${x(points.length - 1)}" cy="${y(last.value)}" r="2.4"/></svg>`
}

/**
 * Bars for people who left (to the left) and came (to the right of a middle line); `most` is the largest of either in the column. Even
 * one person shows.
 */
export function flow(went: number, came: number, most: number): Html {
  const half = 118
  const room = half - 46
  const length = (value: number): number => (value === 0 ? 0 : Math.max(1.5, round((room * value) / Math.max(1, most))))
  const [left, right] = [length(went), length(came)]
  return html`<svg width="${2 * half}" height="20" role="img" aria-label="${count(came)} came, ${count(went)} went"><line class="s-line2" x1="${half}" x2="${half}" y1="0" y2="20"/>${went > 0 && html`<rect class="f-went" x="${half - left}" y="5" width="${left}" height="10"/>`}${came > 0 && html`<rect class="f-came" x="${half}" y="5" width="${right}" height="10"/>`}<text class="${went > 0 ? 't-went' : 'k'}" x="${half - left - 6}" y="14.5" text-anchor="end">${signed(-went)}</text><text class="${came > 0 ? 't-came' : 'k'}" x="${half + right + 6}" y="14.5">${signed(came)}</text></svg>`
}

export type BarPart = {
  readonly value: number
  readonly fill: 'main' | 'main2' | 'main3' | 'soft' | 'out' | 'hatch' | 'bad' | 'held' | 'came' | 'went'
  /** The text in the bar, where there is room; its number follows. */
  readonly label?: string
  /** Drawn as an outline: it is no longer there. */
  readonly isGone?: boolean
}

/** A bar made of parts, on a scale where `whole` fills the width. */
export function stacked(parts: readonly BarPart[], whole: number, words: string, height = 34): Html {
  const scale = (value: number): number => (whole === 0 ? 0 : (100 * value) / whole)
  let from = 0
  const drawn = parts.flatMap(({ value, fill, label, isGone }): Html[] => {
    if (value === 0) return []
    const [x, width] = [from, scale(value)]
    from += width
    const text = label === undefined ? null : `${label} ${count(value)}`
    // A character takes about 7 of the 1,112 pixels of a wide page; on narrow pages bars have no text.
    const fits = text !== null && width * 11 > text.length * 7.2 + 24
    const light = fill === 'soft' || fill === 'main3' || isGone ? 'b' : 'on'
    return [
      isGone
        ? html`<rect class="gone" x="${along(x)}" y="1" width="${along(width)}" height="${height - 2}"/>`
        : html`<rect class="f-${fill}" x="${along(x)}" width="${along(width)}" height="${height}"/>`,
      ...(x > 0 && !isGone ? [html`<rect class="gap" x="${along(x)}" width="1" height="${height}"/>`] : []),
      ...(fits ? [html`<text class="${light}" x="${along(x + 1.1)}" y="${height / 2 + 4}">${text}</text>`] : []),
    ]
  })
  return html`<svg class="chart stack" height="${height}" role="img" aria-label="${words}">${drawn}</svg>`
}

/** The small square that shows a fill beside its words. */
export function swatch(fill: BarPart['fill']): Html {
  return html`<svg width="10" height="10" aria-hidden="true"><rect class="f-${fill}" width="10" height="10"/></svg>`
}

/** A part of a whole on a track, for a row that has the numbers itself. `from`: where the bar begins, if not at the left. */
export function gauge(value: number, whole: number, state: 'main' | 'held' | 'bad' = 'main', from = 0): Html {
  const share = whole === 0 ? 0 : Math.min(100, (100 * value) / whole)
  const start = whole === 0 ? 0 : (100 * from) / whole
  return html`<svg class="chart" height="6" aria-hidden="true"><rect class="f-line" width="100%" height="6" rx="3"/><rect class="f-${state}" x="${along(start)}" width="${along(value === 0 ? 0 : Math.max(0.6, share))}" height="6" rx="3"/></svg>`
}

/** A gauge with the outline of its former value. */
export function gaugeChange(before: number, after: number, whole: number, state: 'main' | 'held' | 'bad'): Html {
  const share = (value: number): string => along(whole === 0 ? 0 : Math.min(100, (100 * value) / whole))
  return html`<svg class="chart" height="6" aria-hidden="true"><rect class="f-line" width="100%" height="6" rx="3"/><rect class="f-came" width="${share(Math.max(before, after))}" height="6" rx="3"/><rect class="f-${state}" width="${share(Math.min(before, after))}" height="6" rx="3"/></svg>`
}

/** How much of a Segment has arrived, for a table's row. */
export function share(value: number, whole: number): Html {
  const width = whole === 0 ? 0 : Math.round((72 * value) / whole)
  return html`<svg width="72" height="6" aria-hidden="true"><rect class="f-line" width="72" height="6" rx="3"/><rect class="f-main" width="${Math.max(value > 0 ? 2 : 0, width)}" height="6" rx="3"/></svg>`
}

/** Members against a list that does not move, which is how a hold looks. `heldFrom`: the first point of the hold; null: nothing to show. */
export function holdPicture(members: readonly Point[], list: number, heldFrom: number, heldSince: string): Html | null {
  const last = members.at(-1)
  if (!last || members.length < 2) return null
  const most = Math.max(list, 1, ...members.map(({ value }) => value)) * 1.12
  const top = 4
  const height = 92
  const x = (index: number): number => round((100 * index) / (members.length - 1))
  const y = (value: number): number => round(100 - (100 * value) / most)
  const line = members.map(({ value }, index) => `${index === 0 ? 'M' : 'L'}${x(index)},${y(value)}`).join('')
  const place = (value: number): number => top + round(((height - 20 - top) * y(value)) / 100)
  const bottom = height - 20
  const [upper, lower] = last.value >= list ? ([last.value, list] as const) : ([list, last.value] as const)
  const apart = Math.max(place(upper) + 15, place(lower) + 4)
  const [memberLine, listLine] = last.value >= list ? [place(upper) + 4, apart] : [apart, place(upper) + 4]
  const words = `Members went from ${count(members[0]!.value)} on ${date(members[0]!.at)} to ${count(last.value)} on ${date(last.at)}. The list in Campaign has stood at ${count(list)} since ${date(heldSince)}.`
  return html`<div class="plot"><svg class="chart" height="${height}" role="img" aria-label="${words}"><rect class="f-hatch" opacity=".45" x="${along(x(heldFrom))}" y="${top}" width="${along(100 - x(heldFrom))}" height="${bottom - top}"/><line class="s-line2" x1="0" x2="100%" y1="${bottom}" y2="${bottom}"/><svg y="${top}" width="100%" height="${bottom - top}" viewBox="0 0 100 100" preserveAspectRatio="none"><path class="path s-held" d="M${x(heldFrom)},${y(list)}L100,${y(list)}"/><path class="path s-main" d="${line}"/></svg><text class="k" x="0" y="${height - 4}">${date(members[0]!.at)}</text><text x="${along(Math.min(70, x(heldFrom)))}" y="${height - 4}">${heldFrom === 0 ? '' : `held since ${date(heldSince)}`}</text><text class="k${x(heldFrom) > 30 && ' hide-narrow'}" x="100%" y="${height - 4}" text-anchor="end">${date(last.at)}</text></svg><svg class="chart" height="${height}" aria-hidden="true"><text class="t-main b" x="0" y="${memberLine}">${count(last.value)} members</text><text class="t-held" x="0" y="${listLine}">${count(list)} on the list</text></svg></div>`
}

export type SizePoint = {
  readonly at: string
  readonly members: number
  readonly entered: number
  readonly exited: number
  readonly edited: boolean
}

/**
 * Sizes day by day, and below them who came (above a line) and who left (below it). The first day is marked, not drawn: nobody came then.
 */
export function sizeOverTime(points: readonly SizePoint[]): Html | null {
  const last = points.at(-1)
  const first = points[0]
  if (!last || !first || points.length < 2) return null
  const most = Math.max(1, ...points.map(({ members }) => members))
  const ceiling = niceCeiling(most)
  const top = 12
  const axis = 152
  const middle = 200
  const reach = 30
  const bottom = 262
  const slot = 100 / points.length
  const x = (index: number): number => slot * (index + 0.5)
  const inner = (index: number): number => round(x(index))
  const y = (value: number): number => axis - ((axis - top) * value) / ceiling
  const line = points
    .map(
      ({ members }, index) =>
        `${index === 0 ? 'M' : 'L'}${inner(index)},${round((100 * (y(members) - top)) / (axis - top))}`,
    )
    .join('')
  const changes = points.slice(1)
  const flows = Math.max(1, ...changes.map(({ entered, exited }) => Math.max(entered, exited)))
  const bar = (value: number): number => (value === 0 ? 0 : Math.max(1.5, (reach * value) / flows))
  const largest = changes.reduce((best, each) => (each.entered > best.entered ? each : best), changes[0]!)
  const deepest = changes.reduce((best, each) => (each.exited > best.exited ? each : best), changes[0]!)
  const low = points.reduce((best, each) => (each.members < best.members ? each : best), first)
  const ticks = [0, 1, 2, 3]
    .map((each) => Math.round((each * (points.length - 1)) / 3))
    .filter((each, at, all) => all.indexOf(each) === at)
  const at = (point: SizePoint): number => points.indexOf(point)
  const anchor = (index: number): string => (index === 0 ? 'start' : index === points.length - 1 ? 'end' : 'middle')
  const words = `Members went from ${count(first.members)} on ${date(first.at)} to ${count(last.members)} on ${date(last.at)}; lowest ${count(low.members)} on ${date(low.at)}. On the last day ${count(last.entered)} came and ${count(last.exited)} went.`
  return html`<div class="plot axis"><svg class="chart" height="${bottom}" aria-hidden="true">${[ceiling, ceiling / 2, 0].map((value) => html`<text class="k" x="100%" dx="-10" y="${round(y(value)) + 4}" text-anchor="end">${count(value)}</text>`)}</svg><svg class="chart" height="${bottom}" role="img" aria-label="${words}"><svg y="${top}" width="100%" height="${axis - top}" viewBox="0 0 100 100" preserveAspectRatio="none"><path class="f-soft" d="${line}L${inner(points.length - 1)},100L${inner(0)},100Z"/><path class="path s-main" d="${line}"/></svg><line class="s-line2" x1="0" x2="100%" y1="${axis}" y2="${axis}"/>${points.map((point, index) => point.edited && html`<line class="s-held" stroke-dasharray="2 3" x1="${along(x(index))}" x2="${along(x(index))}" y1="${top - 8}" y2="${axis}"/><text class="t-held" x="${along(x(index))}" dx="5" y="${top}">edited</text>`)}<circle class="f-main" cx="${along(x(points.length - 1))}" cy="${round(y(last.members))}" r="4"/>${low !== last && html`<circle class="f-main" cx="${along(x(at(low)))}" cy="${round(y(low.members))}" r="2.5"/><text class="k" x="${along(x(at(low)))}" y="${round(y(low.members)) + 17}" text-anchor="${anchor(at(low))}">lowest ${count(low.members)}</text>`}<line class="s-line2" x1="0" x2="100%" y1="${middle}" y2="${middle}"/>${points.map(
    ({ entered, exited }, index) =>
      index > 0 &&
      html`${entered > 0 && html`<rect class="f-came" x="${along(x(index) - slot * 0.32)}" y="${round(middle - bar(entered))}" width="${along(slot * 0.64)}" height="${round(bar(entered))}"/>`}${exited > 0 && html`<rect class="f-went" x="${along(x(index) - slot * 0.32)}" y="${middle}" width="${along(slot * 0.64)}" height="${round(bar(exited))}"/>`}`,
  )}${largest.entered > 0 && largest !== last && html`<text class="t-came" x="${along(x(at(largest)))}" y="${round(middle - bar(largest.entered)) - 5}" text-anchor="middle">${signed(largest.entered)}</text>`}${deepest.exited > 0 && deepest !== last && html`<text class="t-went" x="${along(x(at(deepest)))}" y="${round(middle + bar(deepest.exited)) + 13}" text-anchor="middle">${signed(-deepest.exited)}</text>`}${ticks.map((index) => html`<text class="k" x="${along(x(index))}" y="${bottom - 4}" text-anchor="${anchor(index)}">${date(points[index]!.at)}</text>`)}</svg><svg class="chart" height="${bottom}" aria-hidden="true"><text class="t-main big" x="0" y="${Math.max(16, round(y(last.members)) + 6)}">${count(last.members)}</text><text class="t-came b" x="0" y="${middle - 7}">${signed(last.entered)} came</text><text class="t-went b" x="0" y="${middle + 16}">${signed(-last.exited)} went</text></svg></div>`
}

/** The smallest of 1, 2, 4, 5, 6, 8, 10 times a power of ten that is not below the value; the axis also shows half of it. */
function niceCeiling(value: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(2, value)))
  for (const step of [1, 2, 4, 6, 8, 10]) if (step * power >= value) return Math.max(2, step * power)
  return 10 * power
}

export type Step = {
  /** What remains after the condition; for an alternative, what it adds. */
  readonly label: string
  readonly value: number
  readonly kind: 'all' | 'kept' | 'dropped' | 'result'
  /** Where the bar begins, behind what stands before it. */
  readonly from?: number
}

/** What each condition keeps and drops. Labels are at the left, or above where the page is narrow. */
export function waterfall(steps: readonly Step[], whole: number): Html {
  const scale = (value: number): number => (whole === 0 ? 0 : (86 * value) / whole)
  return html`<ol class="steps waterfall">${steps.map(({ label, value, kind, from = 0 }) => {
    const [x, width] = [scale(from), value === 0 ? 0 : Math.max(0.3, scale(value))]
    const words = kind === 'dropped' ? signed(-value) : count(value)
    const bar =
      kind === 'dropped'
        ? html`<rect class="gone" x="${along(x)}" y="1" width="${along(width)}" height="16"/>`
        : html`<rect class="${kind === 'result' ? 'f-main' : 'f-soft'}" x="${along(x)}" width="${along(width)}" height="18"/>`
    return html`<li class="${kind}"><span>${label}</span><svg class="chart" height="18" role="img" aria-label="${label}: ${words}">${bar}<text class="${kind === 'dropped' ? 'k' : 'b'}" x="${along(x + width)}" dx="7" y="13.5">${words}</text></svg></li>`
  })}</ol>`
}

/** Bars side by side from zero; one of them is the present value. */
export function columns(
  bars: readonly { readonly label: string; readonly value: number; readonly isNow: boolean }[],
): Html {
  const most = Math.max(1, ...bars.map(({ value }) => value))
  const slot = 100 / Math.max(1, bars.length)
  const words = bars.map(({ label, value }) => `${label}: ${count(value)}`).join(', ')
  return html`<svg class="chart" height="150" role="img" aria-label="${words}"><line class="s-line2" x1="0" x2="100%" y1="126" y2="126"/>${bars.map(
    ({ label, value, isNow }, index) => {
      const height = value === 0 ? 0 : Math.max(1.5, (100 * value) / most)
      const middle = slot * (index + 0.5)
      return html`<rect class="${isNow ? 'f-main' : 'f-soft'}" x="${along(middle - slot * 0.36)}" y="${round(126 - height)}" width="${along(slot * 0.72)}" height="${round(height)}"/><text class="${isNow ? 'b' : ''}" x="${along(middle)}" y="${round(126 - height) - 6}" text-anchor="middle">${count(value)}</text><text class="${isNow ? 'b' : 'k'}" x="${along(middle)}" y="144" text-anchor="middle">${label}</text>`
    },
  )}</svg>`
}

/** A value against a limit, which is a dashed line with words above. */
export function againstLimit(
  rows: readonly {
    readonly label: string
    readonly words: string
    readonly share: number
    readonly state: 'main' | 'held'
  }[],
  limit: { readonly share: number; readonly words: string },
): Html {
  const most = Math.max(100, ...rows.map(({ share: each }) => each))
  const x = (value: number): number => (100 * value) / most
  const height = 26 + rows.length * 46
  const words = `${limit.words}. ${rows.map((row) => `${row.label}: ${row.words}`).join('. ')}.`
  return html`<svg class="chart" height="${height}" role="img" aria-label="${words}"><text class="k" x="${along(x(limit.share))}" y="12" text-anchor="middle">${limit.words}</text>${rows.map(
    ({ label, words: text, share: value, state }, index) => {
      const y = 24 + index * 46
      return html`<text class="b" x="0" y="${y + 12}">${label}</text><text class="b t-${state}" x="100%" y="${y + 12}" text-anchor="end">${text}</text><rect class="f-line" y="${y + 20}" width="100%" height="13"/><rect class="f-${state}" y="${y + 20}" width="${along(x(value))}" height="13"/>`
    },
  )}<line class="s-ink3" stroke-dasharray="3 3" x1="${along(x(limit.share))}" x2="${along(x(limit.share))}" y1="18" y2="${height}"/></svg>`
}

/** What happens in a day: a dot with its time for each run, a band for what runs all the time. */
export function dayAxis(
  rows: readonly { readonly label: string; readonly times: readonly string[]; readonly band: string | null }[],
  from: string,
): Html {
  const start = Date.parse(from)
  const x = (instant: string): number => Math.max(0, Math.min(100, (100 * (Date.parse(instant) - start)) / 86_400_000))
  const hours = [0, 6, 12, 18, 24].map((hour) => new Date(start + hour * 3_600_000).toISOString())
  const words = rows
    .map(({ label, times, band }) => `${label}: ${band ?? times.map((time) => time.slice(11, 16)).join(', ')}`)
    .join('. ')
  const height = 24 + rows.length * 38
  return html`<div class="day"><div aria-hidden="true">${rows.map(({ label }) => html`<span title="${label}">${label}</span>`)}</div><svg class="chart" height="${height}" role="img" aria-label="${words}">${hours.map((hour, index) => html`<line class="s-line" x1="${along(index * 25)}" x2="${along(index * 25)}" y1="20" y2="${height}"/><text class="k" x="${along(index * 25)}" y="11" text-anchor="${index === 0 ? 'start' : index === 4 ? 'end' : 'middle'}">${hour.slice(11, 16)}</text>`)}${rows.map(
    ({ times, band }, index) => {
      const y = 24 + index * 38
      if (band !== null)
        return html`<rect class="f-soft" y="${y + 12}" width="100%" height="16"/><text class="b" x="8" y="${y + 24}">${band}</text>`
      return html`${times.map((time) => html`<circle class="f-main" cx="${along(x(time))}" cy="${y + 24}" r="4"/><text class="b" x="${along(x(time))}" y="${y + 14}" text-anchor="${x(time) < 4 ? 'start' : x(time) > 96 ? 'end' : 'middle'}">${time.slice(11, 16)}</text>`)}`
    },
  )}</svg></div>`
}

/** Bars with their share of a whole: in which other Segments people are. */
export function ranked(rows: readonly { readonly label: Html; readonly value: number }[], whole: number): Html {
  const most = Math.max(1, ...rows.map(({ value }) => value))
  return html`<ol class="steps ranked">${rows.map(({ label, value }) => {
    const width = value === 0 ? 0 : Math.max(0.6, (78 * value) / most)
    return html`<li><span>${label}</span><svg class="chart" height="14" role="img" aria-label="${count(value)}, ${percent(value, whole)}"><rect class="f-main" width="${along(width)}" y="2" height="10"/><text class="b" x="${along(width)}" dx="7" y="11.5">${count(value)}<tspan class="k" font-weight="400"> ${percent(value, whole)}</tspan></text></svg></li>`
  })}</ol>`
}
