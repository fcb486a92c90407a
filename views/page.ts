// The frame of every page: one HTML file that loads nothing from anywhere.
import { createHash } from 'node:crypto'
import { type Html, html, trusted } from './html.ts'
import { style } from './style.ts'

export type Page = {
  /** The title for the tab: short, the most telling words first. */
  readonly title: string
  /** The text at the right of the bar: which project this is. */
  readonly where: string
  /** Links in the bar; none in a file that stands alone. */
  readonly nav?: readonly { readonly href: string; readonly text: string; readonly isHere: boolean }[]
  /** Where the brand links to. */
  readonly home?: string
  readonly meta: Html
  readonly headline: Html
  readonly lead: Html | null
  readonly body: readonly (Html | null)[]
  readonly footer: readonly Html[]
  /** The style's file beside the page, relative to it; a page that stands alone contains its style. */
  readonly styleFile?: string
  /** A script of ours, which adds to a page readable without it, and the files beside the page that it loads. */
  readonly script?: { readonly text: string; readonly loads: readonly string[] }
}

const hatch = html`<svg width="0" height="0" class="unseen" aria-hidden="true" focusable="false"><defs><pattern id="hatch" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect width="5" height="5" class="f-held-bg"/><rect width="2" height="5" class="f-held"/></pattern></defs></svg>`

const mark = html`<svg width="20" height="20" viewBox="0 0 20 20" aria-hidden="true"><g class="s-main" fill="none" stroke-width="1.8" stroke-linecap="round"><path d="M2.5 3.5C8 3.5 8.5 10 13 10M2.5 10H13M2.5 16.5C8 16.5 8.500 10 13 10"/></g><circle class="f-main" cx="15.8" cy="10" r="2.7"/></svg>`

export function pageText(page: Page): string {
  const { title, where, nav, home, meta, headline, lead, body, footer, script, styleFile } = page
  const scripts = script
    ? html`${script.loads.map((file) => html`<script src="${file}"></script>`)}<script>${trusted(script.text)}</script>`
    : null
  const policy = [
    "default-src 'none'",
    // Files beside a page that is opened from disk have no origin that 'self' could mean.
    styleFile === undefined ? `style-src '${digest(style)}'` : "style-src 'self' file:",
    ...(script ? [`script-src '${digest(script.text)}'${script.loads.length > 0 ? " 'self' file:" : ''}`] : []),
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ')
  const brand =
    home === undefined
      ? html`<span class="brand">${mark}Convoke</span>`
      : html`<a class="brand" href="${home}">${mark}Convoke</a>`
  return `${
    html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>${title} · Convoke</title>
${styleFile === undefined ? html`<style>${trusted(style)}</style>` : html`<link rel="stylesheet" href="${styleFile}">`}
</head>
<body>
<a class="skip" href="#main">To the content</a>
${hatch}
<header class="bar"><div class="wrap">${brand}${nav && html`<nav aria-label="Pages">${nav.map(({ href, text, isHere }) => html`<a href="${href}"${isHere && html` aria-current="page"`}>${text}</a>`)}</nav>`}<span class="where">${where}</span></div></header>
<main id="main" class="wrap">
<header class="top"><p class="meta">${meta}</p>
<h1>${headline}</h1>
${lead && html`<p class="lead">${lead}</p>`}</header>
${body.map((part) => part && html`${part}\n`)}
<footer>${footer.map((line) => html`<p>${line}</p>`)}</footer>
</main>
${scripts}
</body>
</html>`.markup
  }\n`
}

/** A part of a page: a heading, one sentence on how to read what follows, and its content. */
export function section(
  id: string,
  heading: string,
  sub: Html | string | null,
  ...content: readonly (Html | null)[]
): Html {
  return html`<section id="${id}" aria-labelledby="${id}-h"><h2 id="${id}-h">${heading}</h2>${sub !== null && html`<p class="sub">${sub}</p>`}${content}</section>`
}

function digest(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`
}
