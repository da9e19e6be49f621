import type { TopicTraceEvent } from '@hearsay/gossip'
import test from 'ava'
import { aligned } from '#cli/aligned'
import { traceLine } from '#cli/trace-line'

const named = { author: 'a'.repeat(52), incarnation: '0123456789abcdef' }
const batch = { ...named, seq0: 4, count: 3 }
const range = { ...named, from: 4, count: 1 }
const about = { topic: 'cats', atMs: Date.UTC(2026, 0, 2, 14, 3, 7, 120), peer: 'p'.repeat(52) }
const line = (event: object): string => traceLine({ ...about, ...event } as TopicTraceEvent)

test('each event is one line: time, what, to or from whom, about what', t => {
  const cases: [object, string][] = [
    [{ type: 'push', link: 1, hops: 2, ...batch }, 'push       -> pppppppp  aaaaaaaa/cdef #4-6  hops 2'],
    [{ type: 'repair', link: 1, ...batch }, 'repair     -> pppppppp  aaaaaaaa/cdef #4-6'],
    [
      { type: 'receive', link: 1, hops: 0, repair: true, ...batch },
      'receive    <- pppppppp  aaaaaaaa/cdef #4-6  hops 0  asked for'
    ],
    [
      { type: 'receive', link: 1, hops: 1, repair: false, ...batch },
      'receive    <- pppppppp  aaaaaaaa/cdef #4-6  hops 1'
    ],
    [{ type: 'duplicate', link: 1, ...batch, count: 1 }, 'duplicate  <- pppppppp  aaaaaaaa/cdef #4'],
    [{ type: 'mark', link: 1, ...named, seq0: 4 }, 'mark          pppppppp  aaaaaaaa/cdef #4'],
    [{ type: 'want', link: 1, direction: 'out', ...range }, 'want       -> pppppppp  aaaaaaaa/cdef #4'],
    [{ type: 'want', link: 1, direction: 'in', ...range }, 'want       <- pppppppp  aaaaaaaa/cdef #4'],
    [
      { type: 'miss', link: 1, direction: 'in', ...range, count: 2, reason: 'expired' },
      'miss       <- pppppppp  aaaaaaaa/cdef #4-5  expired'
    ],
    [
      { type: 'prune', link: 1, direction: 'out', author: null, incarnation: null },
      'prune      -> pppppppp  everybody'
    ],
    [{ type: 'graft', link: 1, direction: 'in', ...named }, 'graft      <- pppppppp  aaaaaaaa/cdef'],
    [{ type: 'gap', peer: null, ...range, to: 9 }, 'gap           -         aaaaaaaa/cdef #4-9'],
    [
      { type: 'drop', link: 1, reason: 'malformed', points: 100 },
      'drop       <- pppppppp  malformed  100 points'
    ],
    [{ type: 'drop', link: 1, reason: 'duplicate', points: 0 }, 'drop       <- pppppppp  duplicate'],
    [{ type: 'link', link: 1, state: 'active' }, 'link          pppppppp  active']
  ]
  for (const [event, expected] of cases) t.is(line(event), `14:03:07.120  ${expected}`)
})

test('an event that a later version adds is a line, too', t => {
  t.is(line({ type: 'other', link: 1 }), '14:03:07.120  other         pppppppp')
})

test('columns are aligned, the first and the last to the left', t => {
  t.is(
    aligned([
      ['name', 'n', 'why'],
      ['a', '10', 'x'],
      ['bcdefg', '9', 'longer']
    ]),
    'name     n  why\na       10  x\nbcdefg   9  longer\n'
  )
  t.is(aligned([['one']]), 'one\n')
})
