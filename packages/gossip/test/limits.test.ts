/** The limits fit each other, and what is documented is what is there. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { LIMITS, type Limits } from '#gossip/limits'

const UNITS: Record<string, number> = { KiB: 1024, MiB: 1024 * 1024, s: 1000, '': 1 }

/** "64 KiB, 1,024, 5 s" as numbers. A comma between digits belongs to the number. */
function numbersIn(text: string): number[] {
  return text.split(/,\s/).map(part => {
    const [, digits = '', unit = ''] = part.trim().match(/^([\d,]+)\s?(KiB|MiB|s|)$/) ?? []
    return digits === '' ? Number.NaN : Number(digits.replaceAll(',', '')) * (UNITS[unit] ?? Number.NaN)
  })
}

test('the table of limits in PROTOCOL.md says what the source says', t => {
  const path = fileURLToPath(new URL('../../../../docs/PROTOCOL.md', import.meta.url))
  const text = readFileSync(path, 'utf8')
  const table = text.slice(text.indexOf('## 4. Limits'), text.indexOf('## 5. Versions'))
  const rows = table.split('\n').filter(line => line.startsWith('| `'))
  const seen = new Set<string>()
  for (const row of rows) {
    const [, names = '', values = ''] = row.split('|')
    const limits = Array.from(names.matchAll(/`(\w+)`/g), ([, name]) => name as keyof Limits)
    for (const name of limits) seen.add(name)
    t.deepEqual(
      numbersIn(values),
      limits.map(name => LIMITS[name]),
      row
    )
  }
  t.true(seen.size > 60, `${seen.size} limits`)
})

test('every limit has a docstring of its own', t => {
  const path = fileURLToPath(new URL('../../src/limits.ts', import.meta.url))
  const source = readFileSync(path, 'utf8')
  for (const name of Object.keys(LIMITS)) {
    t.regex(source, new RegExp(`\\*/\\n  ${name}: number`), name)
    t.true(LIMITS[name as keyof Limits] > 0, name)
  }
})

test('the limits fit each other', t => {
  const l = LIMITS
  const facts: Record<string, boolean> = {
    'a batch is a frame': l.maxBatchBytes + l.batchOverheadBytes <= l.maxMessageBytes + l.batchOverheadBytes,
    'one frame fits a cork, a queue and a cache':
      2 * l.maxMessageBytes < Math.min(l.maxCorkBytes, l.maxQueuedBytesPerLink, l.maxCacheBytes),
    'a link can not fill the queue of its connection alone':
      l.maxQueuedBytesPerLink < l.maxQueuedBytesPerConnection,
    'a blocked link does not lag yet': l.blockedBytes < l.maxQueuedBytesPerLink,
    'an answer does not make a link lag': l.maxRepairBytes <= l.maxQueuedBytesPerLink,
    'a window is whole words, and wider than a batch':
      l.maxWindowSeqs % 32 === 0 &&
      l.maxPinnedWindowSeqs % 32 === 0 &&
      l.maxWindowSeqs >= 2 * l.maxBatchMessages,
    'what a WANT asks for fits a window': l.maxRangeSeqs <= l.maxWindowSeqs,
    'a table has room for more than one peer': l.maxAuthorsPerPeer * 2 <= l.maxAuthors,
    'a link may not park all': l.maxParkedPerLink * 2 <= l.maxParked,
    'active links are bits of a number':
      l.maxActiveLinks <= 30 && l.activeLinks <= l.maxActiveLinks && l.minOutboundLinks <= l.activeLinks,
    'a full list fits the index table': Math.max(l.maxHaveEntries, l.maxWantRanges) <= l.maxAuthorIndexes,
    'a link may be told of all authors at once': l.maxAuthors + l.maxHaveEntries <= 2 * l.entriesPerSecond,
    'who tells of all that a process can accept is not charged':
      l.verifiesPerSecondOfProcess + l.authorBatchesPerSecond + l.maxAuthorIndexes <= 3 * l.entriesPerSecond,
    'nobody is cut off for doubts': l.maxDoubt < l.maxPoints,
    'an author at full pace is within the budget of a link':
      l.authorBatchesPerSecond <= l.verifiesPerSecond && l.verifiesPerSecond <= l.framesPerSecond,
    'a process checks for several links': l.verifiesPerSecond * 2 <= l.verifiesPerSecondOfProcess,
    'a sign of life comes three times before a link is suspected': 3 * l.liveMs <= l.suspectMs,
    'who asks for a place is answered before it is suspected': l.linkAskTimeoutMs < l.suspectMs,
    'what is cached may be asked for as long as it lives': l.ttlMs <= l.maxTtlMs && l.maxSkewMs <= l.maxTtlMs
  }
  for (const [fact, holds] of Object.entries(facts)) t.true(holds, fact)
})
