/** An Autobase as a bundle: its writers are told as they come, and what they wrote is read everywhere. */
import { type Introduction, type Party, type PartyBundle, rules } from '@hearsay/party'
import Autobase from 'autobase'
import test, { type ExecutionContext } from 'ava'
import b4a from 'b4a'
import Corestore from 'corestore'
import Hyperbee from 'hyperbee'
import { eventually } from './support-bundles.js'
import { connect, folder, newParty, next, until } from './support-parties.js'

interface Entry {
  add?: { key: string; indexer: boolean }
  put?: [key: string, value: unknown]
}

const hex = (key: Uint8Array): string => b4a.toString(key, 'hex')

/** A key-value store that several write: Autobase gives the order, Hyperbee the view. */
async function newBase(t: ExecutionContext, store: unknown, key: Uint8Array | null) {
  const base = new Autobase<Hyperbee>(store, key === null ? null : b4a.from(key), {
    valueEncoding: 'json',
    open: views =>
      new Hyperbee(views.get('view'), { extension: false, keyEncoding: 'utf-8', valueEncoding: 'json' }),
    async apply(nodes, view, host) {
      for (const { value } of nodes as { value: Entry }[]) {
        if (value.add !== undefined) await host.addWriter(b4a.from(value.add.key, 'hex'), value.add)
        if (value.put !== undefined) await view.put(...value.put)
      }
    }
  })
  t.teardown(() => base.close())
  await base.ready()
  return base
}

/** Resolves when the view holds this value. */
async function untilValue(base: Autobase<Hyperbee>, key: string, value: unknown): Promise<void> {
  await eventually(async () => {
    await base.update()
    return (await base.view.get(key))?.value === value ? true : null
  })
}

const adding = (base: Autobase<Hyperbee>, indexer: boolean): Entry => ({
  add: { key: hex(base.local.key), indexer }
})

const openBase = async (t: ExecutionContext, party: Party, told: Promise<[PartyBundle]>) =>
  newBase(t, party.store(), (await told)[0].key)

test('B36 D33 a writer that is added to an Autobase becomes a new version of its introduction, and all read all', async t => {
  const a = await newParty(t, 1)
  const asked: (Uint8Array | null)[] = []
  const onIntroduceFeeds = ({ message }: { message: { bundle: Uint8Array | null } }) => {
    asked.push(message.bundle)
    return true
  }
  const b = await newParty(t, 2, { rules: { onIntroduceFeeds } })
  const ours = await newBase(t, a.store(), null)
  await ours.append({ put: ['from a', 1] })
  const told = next<[PartyBundle]>(b, 'bundle')
  await a.introduce(ours, { name: 'pairs' })
  connect(a, b)
  const theirs = await openBase(t, b, told)
  await untilValue(theirs, 'from a', 1)
  t.false(theirs.writable)
  const again = next<[PartyBundle]>(b, 'bundle')
  await ours.append(adding(theirs, true))
  const [bundle] = await again
  t.is(bundle.type, 'autobase')
  t.deepEqual(bundle.keys.map(hex), [ours.key as Uint8Array, theirs.local.key].map(hex))
  t.true(bundle.isComplete)
  t.deepEqual(
    asked.map(key => key && hex(key)),
    [null, hex(ours.key as Uint8Array)]
  )
  await until('it may write', () => theirs.writable)
  await theirs.append({ put: ['from b', 2] })
  await untilValue(ours, 'from b', 2)
  await ours.append({ put: ['from a', 3] })
  await untilValue(theirs, 'from a', 3)
})

test('B36 an Autobase on another Corestore than the party is joined to it in both directions', async t => {
  const store = new Corestore(await folder(t))
  t.teardown(() => store.close())
  const a = await newParty(t, 1)
  const b = await newParty(t, 2, { rules: rules.open() })
  const ours = await newBase(t, store, null)
  const told = next<[PartyBundle]>(b, 'bundle')
  await a.introduce(ours)
  await ours.append({ put: ['from a', 1] })
  connect(a, b)
  const theirs = await openBase(t, b, told)
  await untilValue(theirs, 'from a', 1)
  await ours.append(adding(theirs, false))
  await until('it may write', () => theirs.writable)
  await theirs.append({ put: ['from b', 2] })
  await untilValue(ours, 'from b', 2)
  t.pass()
})

test('B36 a base that was opened again reads a writer that is no indexer, once it was introduced again', async t => {
  const a = await newParty(t, 1)
  const b = await newParty(t, 2, { rules: rules.open() })
  const ours = await newBase(t, a.store(), null)
  const told = next<[PartyBundle]>(b, 'bundle')
  await a.introduce(ours)
  connect(a, b)
  const theirs = await openBase(t, b, told)
  await ours.append(adding(theirs, false))
  await until('it may write', () => theirs.writable)
  await theirs.append({ put: ['first', 1] })
  await untilValue(ours, 'first', 1)
  // From here on nothing of the other writer is a head, which is what a base looks at when it opens.
  await ours.append({ put: ['linked', 2] })
  await untilValue(theirs, 'linked', 2)
  await ours.close()
  await theirs.append({ put: ['meanwhile', 2] })
  const again = await newBase(t, a.store(), ours.key)
  await a.introduce(again)
  await untilValue(again, 'meanwhile', 2)
  await theirs.append({ put: ['later', 3] })
  await untilValue(again, 'later', 3)
  t.deepEqual(a.bundle(again.key as Uint8Array)?.keys.length, 2)
})

test('B36 a reader that follows a base reads a writer that is no indexer, without anybody else', async t => {
  const a = await newParty(t, 1)
  const b = await newParty(t, 2, { rules: rules.open() })
  const c = await newParty(t, 3, { rules: rules.open() })
  const ours = await newBase(t, a.store(), null)
  const [toldB, toldC] = [b, c].map(party => next<[PartyBundle]>(party, 'bundle'))
  await a.introduce(ours)
  const wire = connect(a, b)
  connect(b, c)
  const theirs = await openBase(t, b, toldB as Promise<[PartyBundle]>)
  const reader = await openBase(t, c, toldC as Promise<[PartyBundle]>)
  await ours.append(adding(theirs, false))
  await until('it may write', () => theirs.writable)
  await theirs.append({ put: ['first', 1] })
  await untilValue(ours, 'first', 1)
  await ours.append({ put: ['linked', 2] })
  await untilValue(reader, 'linked', 2)
  await reader.close()
  wire.cut()
  await theirs.append({ put: ['meanwhile', 3] })
  const again = await newBase(t, c.store(), ours.key)
  await c.follow(again)
  await untilValue(again, 'meanwhile', 3)
  await theirs.append({ put: ['later', 4] })
  await untilValue(again, 'later', 4)
  t.pass()
})

test('B36 a revoked writer of an Autobase is left out of its introduction, which late joiners still get', async t => {
  const a = await newParty(t, 1)
  const b = await newParty(t, 2, { rules: rules.open() })
  const ours = await newBase(t, a.store(), null)
  await ours.append({ put: ['from a', 1] })
  const told = next<[PartyBundle]>(b, 'bundle')
  await a.introduce(ours)
  connect(a, b)
  const theirs = await openBase(t, b, told)
  await ours.append(adding(theirs, false))
  await until('both are named', () => a.bundle(ours.key as Uint8Array)?.keys.length === 2)
  await a.revoke(theirs.local.key)
  await until('one is named', () => a.bundle(ours.key as Uint8Array)?.keys.length === 1)
  t.true(a.bundle(ours.key as Uint8Array)?.isComplete)
  await a.introduce(ours)
  t.false(a.feeds.has(theirs.local.key))
  const c = await newParty(t, 3, { rules: rules.open() })
  const late = next<[PartyBundle]>(c, 'bundle')
  connect(a, c)
  t.true((await late)[0].isComplete)
  await untilValue(await newBase(t, c.store(), ours.key), 'from a', 1)
})

test('D24 a writer that the rules reject makes an Autobase incomplete: the others are read, and the app is warned', async t => {
  const a = await newParty(t, 1)
  const b = await newParty(t, 2)
  const c = await newParty(t, 3, {
    rules: { onIntroduceFeeds: ({ message }) => [message.keys[0] as Uint8Array] }
  })
  const ours = await newBase(t, a.store(), null)
  await a.introduce(ours)
  const asked = next<[Introduction]>(b, 'introduction')
  connect(a, b)
  await (await asked)[0].accept()
  const theirs = await newBase(t, b.store(), ours.key)
  const again = next<[Introduction]>(b, 'introduction')
  await ours.append(adding(theirs, false))
  const [introduction] = await again
  t.is(introduction.seq, 2)
  t.false(b.feeds.has(theirs.local.key))
  await introduction.accept()
  await until('it may write', () => theirs.writable)
  await ours.append({ put: ['from a', 1] })
  const warned = next<[Error & { code: string; keys: Uint8Array[] }]>(c, 'warning')
  connect(a, c)
  const [warning] = await warned
  t.is(warning.code, 'WARN_PARTY_BUNDLE_INCOMPLETE')
  t.deepEqual(warning.keys.map(hex), [hex(theirs.local.key)])
  const third = await newBase(t, c.store(), ours.key)
  await untilValue(third, 'from a', 1)
})
