import { encodeFrame, FrameKind, LIMITS, PartyKeys, partyKeyOf, signRecord } from '@hearsay/party/core'
import test from 'ava'
import b4a from 'b4a'
import fc from 'fast-check'
import { decodeCredential } from '#party/core/credential'
import { decodeInviteLink, encodeInviteLink } from '#party/core/invite-link'
import { AGREE, bindingsOf, CoreNode, type NodeRules, Wire } from './support-core.js'
import { bytes, cryptoOf, hex, VECTORS } from './support-crypto.js'

const FOUNDER = 1
const GENESIS = { founderPublicKey: cryptoOf(FOUNDER).author, salt: new Uint8Array(32).fill(4) }
const PARTY = partyKeyOf(cryptoOf(FOUNDER), GENESIS)
const keys = new PartyKeys(cryptoOf(FOUNDER), PARTY)
const invite = cryptoOf(50)
const NONE = new Uint8Array(0)

/** As rules.invite(): who isn't admitted yet isn't answered, until it is. */
const waits: NodeRules = { handshake: () => undefined }

function founder(uses: number, rules: NodeRules = waits): CoreNode {
  const node = new CoreNode(FOUNDER, rules, {}, PARTY, { genesis: GENESIS })
  node.step({ type: 'replayed', records: [] })
  const admission = { subject: invite.author, capabilities: 3, depth: 0, expires: 0, uses, isInvite: true }
  node.step({ type: 'admit', admission, job: 1 })
  return node
}

function newcomer(seed: number, expires = 0): CoreNode {
  const held = { publicKey: invite.author, sign: invite.sign, expires, chain: NONE }
  const node = new CoreNode(seed, {}, {}, PARTY, { genesis: GENESIS, invite: held })
  node.step({ type: 'replayed', records: [] })
  return node
}

const outcomes = (node: CoreNode) => node.all('redeemed').map(effect => effect.code)
const isMember = (at: CoreNode, who: CoreNode) => at.core.capabilitiesOf(who.crypto.author) > 0

/** A request as a newcomer makes it, by hand. */
function request(
  node: CoreNode,
  call: number,
  about: { author?: Uint8Array; by?: typeof invite; hash?: Uint8Array; channel?: number }
) {
  const {
    channel = 1,
    author = cryptoOf(9).author,
    by = invite,
    hash = bindingsOf(FOUNDER, 9)[0].handshakeHash
  } = about
  const signature = by.sign(keys.redeemMessage(author, hash))
  const value = b4a.concat([invite.author, signature])
  const frame = encodeFrame({ type: 'request', call, name: 'sys/redeem', value })
  node.step({ type: 'frame', channel, kind: FrameKind.REQUEST, bytes: frame })
}

/** A founder with a stranger in HANDSHAKE that can be given words. */
function atTheDoor(uses = 1) {
  const host = founder(uses)
  const stranger = new CoreNode(9, {}, {}, PARTY)
  const [binding] = bindingsOf(host.crypto.author[0] as number, stranger.crypto.author[0] as number)
  new Wire(host, stranger).run()
  return { host, stranger, hash: binding.handshakeHash }
}

test('the answer is given after the use is on the disk, and a use that could not be written is given back', t => {
  const host = founder(1)
  host.isDiskHeld = true
  const guest = newcomer(9)
  const wire = new Wire(host, guest)
  wire.run()
  t.deepEqual(outcomes(host), [], 'nothing is said before')
  t.is(host.frames(1).filter(frame => frame.type === 'response').length, 0)
  const second = newcomer(10)
  const other = new Wire(host, second, 2)
  other.run()
  t.deepEqual(outcomes(host), ['ERR_PARTY_INVITE_USED'], 'it counts from before it is written')
  const admission = host.held.pop()
  if (admission !== undefined) host.finish(admission, 'ERR_PARTY_STORAGE')
  t.deepEqual(outcomes(host).at(-1), 'ERR_PARTY_STORAGE')
  host.isDiskHeld = false
  wire.run()
  t.false(isMember(host, guest))
  other.cut()
  new Wire(host, newcomer(10), 3).run()
  t.is(outcomes(host).at(-1), null)
})

test('the same author redeems an invite once, however often it asks and whatever it forgot', t => {
  const host = founder(1)
  for (const channel of [1, 2, 3]) {
    const guest = newcomer(9)
    new Wire(host, guest, channel).run()
    t.true(isMember(host, guest) && isMember(guest, guest))
  }
  t.deepEqual(outcomes(host), [null, null, null])
  const late = newcomer(10)
  new Wire(host, late, 4).run()
  t.deepEqual(
    late.all('inviteFailed').map(effect => effect.code),
    ['ERR_PARTY_INVITE_USED']
  )
})

test('the log is the count: after a replay, also in which the admission was voided, a use stays used', t => {
  const host = founder(1)
  const guest = newcomer(9)
  new Wire(host, guest).run()
  host.step({ type: 'remove', subject: guest.crypto.author, isWithFeeds: true, isCascading: false, job: 2 })
  t.false(isMember(host, guest))
  const again = new CoreNode(FOUNDER, waits, {}, PARTY, { genesis: GENESIS })
  again.step({ type: 'replayed', records: host.all('log').flatMap(effect => [...effect.records]) })
  const late = newcomer(10)
  new Wire(again, late).run()
  t.deepEqual(outcomes(again), ['ERR_PARTY_INVITE_USED'])
  new Wire(again, newcomer(9), 2).run()
  t.false(isMember(again, guest), 'and whoever was removed does not come back by it')
})

test('a proof of another author, of another connection, or by another key redeems nothing', t => {
  for (const about of [
    { author: cryptoOf(10).author },
    { hash: new Uint8Array(64).fill(7) },
    { by: cryptoOf(51) }
  ]) {
    const { host, stranger, hash } = atTheDoor()
    request(host, 1, { hash, ...about })
    t.deepEqual(outcomes(host), ['ERR_PARTY_INVITE_INVALID'])
    t.false(isMember(host, stranger))
  }
  const { host, hash } = atTheDoor()
  const cut = encodeFrame({ type: 'request', call: 1, name: 'sys/redeem', value: new Uint8Array(95) })
  host.step({ type: 'frame', channel: 1, kind: FrameKind.REQUEST, bytes: cut })
  t.deepEqual(outcomes(host), ['ERR_PARTY_INVITE_INVALID'])
  request(host, 2, { hash })
  t.is(outcomes(host).at(-1), null, 'the right one does')
})

test('a Noise key has five tries a minute, over all its connections', t => {
  const { host, stranger, hash } = atTheDoor()
  for (let call = 1; call <= 4; call++) request(host, call, { hash, by: cryptoOf(51) })
  new Wire(host, stranger, 2).run()
  for (let call = 1; call <= 3; call++) request(host, call, { hash, by: cryptoOf(51), channel: 2 })
  const busy = Array(2).fill('ERR_PARTY_BUSY')
  t.deepEqual(outcomes(host), [
    ...Array(LIMITS.redeemTriesPerMinute).fill('ERR_PARTY_INVITE_INVALID'),
    ...busy
  ])
  request(host, 8, { hash })
  t.is(outcomes(host).at(-1), 'ERR_PARTY_BUSY', 'also the right one')
  host.nowMs += 12_000
  request(host, 9, { hash })
  t.is(outcomes(host).at(-1), null, 'a try comes back after twelve seconds')
})

test('before it has redeemed its invite a newcomer is answered nothing else', t => {
  const host = founder(1, { ...waits, request: () => undefined })
  host.isDiskHeld = true
  const guest = newcomer(9)
  const wire = new Wire(host, guest)
  wire.run()
  t.true(host.core.isNewcomer(1))
  guest.step({ type: 'call', channel: 1, call: 7, typeName: 'app', value: NONE, timeoutMs: 5000 })
  guest.step({ type: 'ephemeral', channel: 1, typeName: 'app', value: NONE })
  wire.run()
  t.is(host.all('ask').filter(ask => ask.about === 'request').length, 0)
  t.is(host.all('ephemeral').length, 0)
  const [settled] = guest.all('settle')
  t.like(settled?.result, { ok: false, code: 'ERR_PARTY_NOT_AUTHORIZED' })
  for (const effect of host.held.splice(0)) host.finish(effect, null)
  wire.run()
  t.false(host.core.isNewcomer(1))
  guest.step({ type: 'call', channel: 1, call: 8, typeName: 'app', value: NONE, timeoutMs: 5000 })
  wire.run()
  t.is(host.all('ask').filter(ask => ask.about === 'request').length, 1)
})

test('a newcomer asks one peer at a time, and shows what it was given to the others: one use', t => {
  const host = founder(5)
  host.isDiskHeld = true
  const guest = newcomer(9)
  const first = new Wire(host, guest)
  first.run()
  const admin = new CoreNode(2, waits, {}, PARTY, { genesis: GENESIS })
  admin.step({ type: 'replayed', records: host.all('log').flatMap(effect => [...effect.records]) })
  const second = new Wire(admin, guest, 2)
  second.run()
  t.is(guest.frames(2).filter(frame => frame.type === 'request').length, 0, 'it waits for the first answer')
  for (const effect of host.held.splice(0)) host.finish(effect, null)
  first.run()
  second.run()
  t.deepEqual(outcomes(admin), [null])
  t.true(isMember(admin, guest))
})

test('the key of an invite is no member, whatever it may give, and admits by itself only if it is unlimited', t => {
  for (const uses of [0, 3]) {
    const host = new CoreNode(FOUNDER, waits, {}, PARTY, { genesis: GENESIS })
    const subject = invite.author
    const admission = { subject, capabilities: 31, depth: 1, expires: 0, uses, isInvite: true }
    host.step({ type: 'admit', admission, job: 1 })
    t.is(host.core.capabilitiesOf(subject), 0)
    const about = { version: 1, depth: 0, expiresSeconds: 0, uses: 1, via: subject } as const
    const body = { ...about, kind: 'admit', subject: cryptoOf(9).author, capabilities: 3 } as const
    host.step({ type: 'gossiped', record: signRecord(invite, keys, body).bytes, channel: null })
    t.is(host.core.capabilitiesOf(cryptoOf(9).author), uses === 0 ? 3 : 0)
  }
})

test('who is no member can tell a newcomer that it knows the party key, but not that its invite is worthless', t => {
  const liar = new CoreNode(7, waits, {}, PARTY, { genesis: GENESIS })
  const guest = newcomer(9)
  const wire = new Wire(liar, guest)
  wire.filter = (from, kind, bytes) => {
    if (from !== liar || kind !== FrameKind.ERROR) return bytes
    return encodeFrame({ type: 'error', call: 1, code: 'ERR_PARTY_INVITE_USED', message: '' })
  }
  wire.run()
  t.is(liar.frames(1).filter(frame => frame.type === 'error').length, 1)
  t.deepEqual(guest.all('inviteFailed'), [])
  new Wire(founder(1), guest, 2).run()
  t.true(isMember(guest, guest))
})

test('an expired link is not even tried', t => {
  const guest = newcomer(9, 10)
  t.deepEqual(
    guest.all('inviteFailed').map(effect => effect.code),
    ['ERR_PARTY_INVITE_INVALID']
  )
  new Wire(founder(1), guest).run()
  t.is(guest.frames(1).filter(frame => frame.type === 'request').length, 0)
})

test('who asks is admitted for what the invite gives, by a chain that fits into a BIND', t => {
  const host = founder(1, { handshake: () => AGREE })
  const guest = newcomer(9)
  new Wire(host, guest).run()
  const chain = host.core.chainOf(guest.crypto.author) as Uint8Array
  t.true(chain.length <= LIMITS.maxCredentialBytes)
  const last = decodeCredential(chain).at(-1)
  t.like(last?.body, { kind: 'admit', capabilities: 3, depth: 0, uses: 1 })
  t.is(last?.body.kind === 'admit' && hex(last.body.via as Uint8Array), hex(invite.author))
})

test('golden vectors: the link and the signed message', t => {
  const hashes = cryptoOf(FOUNDER)
  const genesis = { founderPublicKey: bytes(VECTORS.inviteLink.founder), salt: bytes(VECTORS.inputs.salt) }
  const link = { genesis, seed: new Uint8Array(32).fill(6), expiresSeconds: 2 ** 31, chain: NONE }
  t.is(encodeInviteLink(hashes, link), VECTORS.inviteLink.text)
  t.deepEqual(decodeInviteLink(hashes, VECTORS.inviteLink.text), { ok: true, value: link })
  const ofParty = new PartyKeys(hashes, bytes(VECTORS.partyKey))
  const message = ofParty.redeemMessage(genesis.founderPublicKey, bytes(VECTORS.inputs.handshakeHash))
  t.is(hex(hashes.hash(message)), VECTORS.inviteLink.redeemMessageHash)
  t.false(decodeInviteLink(hashes, 'x'.repeat(LIMITS.maxInviteChars + 1)).ok)
})

test('no text makes the reader of links throw, and a link with one character changed, lost or added is none', t => {
  const hashes = cryptoOf(FOUNDER)
  const { text } = VECTORS.inviteLink as { text: string }
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.base64String().map(tail => `hearsay-invite:${tail}`)
      ),
      other => {
        t.false(decodeInviteLink(hashes, other).ok)
      }
    )
  )
  for (let at = 'hearsay-invite:'.length; at < text.length; at++) {
    const other = text[at] === 'y' ? 'b' : 'y'
    t.false(decodeInviteLink(hashes, text.slice(0, at) + other + text.slice(at + 1)).ok, `${at}`)
    t.false(decodeInviteLink(hashes, text.slice(0, at) + text.slice(at + 1)).ok)
    t.false(decodeInviteLink(hashes, text.slice(0, at) + other + text.slice(at)).ok)
  }
})
