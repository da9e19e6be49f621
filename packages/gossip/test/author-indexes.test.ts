import test from 'ava'
import fc from 'fast-check'
import { IncomingAuthors, OutgoingAuthors } from '#gossip/core/author-indexes'
import { makeAuthorRef } from '#gossip/core/keys'
import type { AuthorRef } from '#gossip/core/types'
import { filled } from './support-crypto.js'

const refs = Array.from({ length: 12 }, (_, i) => makeAuthorRef(filled(32, i), filled(8, i)))

test('an author keeps its index while there is room', t => {
  const authors = new OutgoingAuthors(4)
  t.deepEqual(authors.bind(refs[0] as AuthorRef), { ix: 0, isNew: true })
  t.deepEqual(authors.bind(refs[1] as AuthorRef), { ix: 1, isNew: true })
  t.deepEqual(authors.bind(refs[0] as AuthorRef), { ix: 0, isNew: false })
})

test('a full table gives the least recently used index away', t => {
  const authors = new OutgoingAuthors(2)
  authors.bind(refs[0] as AuthorRef)
  authors.bind(refs[1] as AuthorRef)
  authors.bind(refs[0] as AuthorRef)
  t.deepEqual(authors.bind(refs[2] as AuthorRef), { ix: 1, isNew: true })
  t.deepEqual(authors.bind(refs[0] as AuthorRef), { ix: 0, isNew: false })
  t.deepEqual(authors.bind(refs[1] as AuthorRef), { ix: 1, isNew: true })
})

test('what a frame names keeps its index until the frame is written, however many authors were named before', t => {
  for (let max = 2; max <= 9; max++) {
    for (let before = 0; before <= refs.length; before++) {
      const authors = new OutgoingAuthors(max)
      const most = authors.maxPerFrame
      for (const ref of refs.slice(0, before)) authors.bind(ref)
      for (let first = 0; first < refs.length; first++) {
        const named = Array.from({ length: most }, (_, i) => refs[(first + 5 * i) % refs.length] as AuthorRef)
        t.is(new Set(named.map(ref => authors.bind(ref).ix)).size, most, `${max} indexes, ${before} before`)
      }
    }
  }
})

test('both ends agree on every index, however often it is bound again', t => {
  let rebound = 0
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 11 }), { minLength: 50, maxLength: 200 }), uses => {
      const outgoing = new OutgoingAuthors(5)
      const incoming = new IncomingAuthors(5)
      for (const use of uses) {
        const ref = refs[use] as AuthorRef
        const { ix, isNew } = outgoing.bind(ref)
        if (isNew && incoming.get(ix) !== undefined) rebound++
        if (isNew && !incoming.bind(ix, ref)) return false
        if (incoming.get(ix) !== ref) return false
      }
      return true
    })
  )
  t.true(rebound > 100)
})

test('an index beyond the table is refused, and an unbound one stands for nobody', t => {
  const incoming = new IncomingAuthors(4)
  for (const ix of [4, 5, 2 ** 32, Number.MAX_SAFE_INTEGER, -1, Number.NaN]) {
    t.false(incoming.bind(ix, refs[0] as AuthorRef))
    t.is(incoming.get(ix), undefined)
  }
  t.is(incoming.get(3), undefined)
  t.true(incoming.bind(3, refs[0] as AuthorRef))
  t.is(incoming.get(3), refs[0])
  t.is(incoming.get(2), undefined)
})
