// Search over all Segments in the page itself: a file with the searched texts, and a small script that adds to a page readable without
// it.
import type { Catalog } from './catalog.ts'
import { pathOf } from './frame.ts'
import { marksOf } from './segment-table.ts'

/** The data that `search.js` gives the page: one row for each Segment. */
export function searchData({ segments, isSpread }: Catalog): string {
  const rows = segments.map((segment) => {
    const { name, namespace, displayName, description, labels, owner, rows: own } = segment
    const tags = Object.entries(labels).map(([key, value]) => `${key}:${value}`)
    const ways = own.flatMap(({ activation }) => activation ?? [])
    return [
      pathOf(segment),
      displayName,
      isSpread ? `${namespace}/${name}` : name,
      description ?? '',
      [...tags, ...(owner === null ? [] : [owner]), ...ways, ...marksOf(segment).map(([, words]) => words)].join(' '),
      own[0]?.members ?? null,
    ]
  })
  // In a file of its own nothing ends a script early; older engines take the two separators for line ends.
  const text = JSON.stringify(rows).replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029')
  return `window.convokeSegments=${text}\n`
}

/** Text is set as text, never as markup. */
export const searchScript = `(() => {
const rows = window.convokeSegments
const get = (id) => document.getElementById(id)
const [finder, box, found, results, listed] = ['finder', 'search', 'found', 'results', 'listed'].map(get)
if (!rows || !finder) return
const plain = (text) => text.normalize('NFKD').replace(/\\p{M}/gu, '').toLowerCase()
const hay = rows.map((row) => [plain(row[1]), plain(row[2]), plain(row[1] + ' ' + row[2] + ' ' + row[3] + ' ' + row[4])])
const most = 50
const show = () => {
  const words = plain(box.value).split(/\\s+/).filter(Boolean)
  results.textContent = ''
  listed.hidden = words.length > 0
  if (words.length === 0) { found.textContent = ''; return }
  const hits = []
  for (let i = 0; i < rows.length; i += 1) {
    const [title, name, all] = hay[i]
    if (!words.every((word) => all.includes(word))) continue
    const first = words[0]
    hits.push([title.startsWith(first) || name.startsWith(first) ? 0 : title.includes(first) || name.includes(first) ? 1 : 2, i])
  }
  hits.sort((a, b) => a[0] - b[0] || a[1] - b[1])
  found.textContent = hits.length === 0 ? 'No Segment has that.' : hits.length + (hits.length === 1 ? ' Segment' : ' Segments') + (hits.length > most ? ', the first ' + most + ' shown.' : '.')
  for (const [, i] of hits.slice(0, most)) {
    const [href, title, name, about, , members] = rows[i]
    const item = document.createElement('li')
    const link = document.createElement('a')
    const label = document.createElement('bdi')
    link.href = href
    label.textContent = title
    link.append(label)
    const id = document.createElement('span')
    id.className = 'id'
    id.textContent = ' ' + name
    const rest = document.createElement('span')
    rest.className = 'soft block'
    rest.textContent = (members === null ? '' : members.toLocaleString('en') + (members === 1 ? ' member. ' : ' members. ')) + about
    item.append(link, id, rest)
    results.append(item)
  }
}
finder.hidden = false
const asked = new URLSearchParams(location.hash.slice(1)).get('q')
if (asked) box.value = asked
box.addEventListener('input', show)
addEventListener('keydown', (event) => {
  if (event.key === '/' && document.activeElement !== box) { event.preventDefault(); box.focus() }
  if (event.key === 'Escape' && document.activeElement === box) { box.value = ''; show() }
})
show()
})()
`
