import { expect, test } from 'vitest'
import { adHocRefusal } from '#protocol'

test.each([
  [80, null],
  [81, /^offers has 81 Segments, .* takes 80 at most \(ad-hoc-segments\)/],
])('an Activation of %i Segments by hand', (segments, refusal) => {
  const found = adHocRefusal('offers', segments)
  if (refusal === null) expect(found).toBeNull()
  else expect(found).toMatch(refusal)
})
