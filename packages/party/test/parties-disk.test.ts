/** The list of parties on the disk: modes, what can be read by whom, damage, faults, and processes that are killed. */
import { type ChildProcess, spawn } from 'node:child_process'
import { chmod, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { createKeyPair, cryptoFor } from '@hearsay/gossip'
import { LIMITS, Parties, type PartiesOptions, rules } from '@hearsay/party'
import { authorSeedOf, decodeMaster, PartyKeys } from '@hearsay/party/core'
import test, { type ExecutionContext } from 'ava'
import b4a from 'b4a'
import { Registry } from '#party/node/registry'
import { writeWholeFile } from '#party/node/whole-file'
import { filesIn, filesWith, listFolder, listIn, newList } from './support-lists.js'
import { folder, KEY, until } from './support-parties.js'

const crypto = cryptoFor(createKeyPair())
const SECRET = new Uint8Array(32).fill(0x77)

function openRegistry(storage: string, secret?: PartiesOptions['secret']): Promise<Registry> {
  return Registry.open(storage, { hashes: crypto, secret, limits: LIMITS, write: writeWholeFile })
}

/** Starts a process that prints what it did. */
function startChild(
  t: ExecutionContext,
  storage: string,
  mode: string
): { process: ChildProcess; lines: string[] } {
  const file = fileURLToPath(new URL('parties-child.js', import.meta.url))
  const child = spawn(process.execPath, [file, storage, mode], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => child.kill('SIGKILL'))
  const lines: string[] = []
  createInterface({ input: child.stdout }).on('line', line => lines.push(line))
  return { process: child, lines }
}

async function kill(child: ChildProcess): Promise<void> {
  const end = new Promise(resolve => child.once('close', resolve))
  child.kill('SIGKILL')
  await end
}

test('B28 the files of the list have mode 0600, its folder 0700, also where they were wider', async t => {
  const { parties, storage } = await newList(t)
  await parties.create({ name: 'walks' })
  const home = listFolder(storage)
  const modes = async (): Promise<Record<string, number>> => {
    const files = await filesIn(home)
    return Object.fromEntries(files.map(({ path, mode }) => [path.slice(home.length + 1), mode]))
  }
  t.deepEqual(await modes(), { master: 0o600, 'parties.bin': 0o600 })
  t.is((await stat(home)).mode & 0o777, 0o700)
  t.is((await stat(join(storage, 'hearsay'))).mode & 0o777, 0o700)
  await chmod(join(home, 'parties.bin'), 0o644)
  await parties.create({ name: 'more' })
  t.deepEqual(await modes(), { master: 0o600, 'parties.bin': 0o600 })
})

test('X22 no secret lies in the folder in any spelling; without a secret of the app, the master key alone, in its own file', async t => {
  for (const secret of [undefined, SECRET, () => Promise.resolve(SECRET)]) {
    const keyPair = createKeyPair()
    const storage = await folder(t)
    const options = secret === undefined ? {} : { secret }
    const first = await listIn(t, storage, { ...options, rules: rules.open() })
    const opened = [await first.create({ name: 'a name' }), await first.add(createKeyPair().publicKey)]
    for (const party of opened) await (await party.feeds.writer('log')).append('words')
    const secrets = opened.flatMap(party => [
      party.key,
      new PartyKeys(crypto, party.key).partyId,
      party.feeds.authorKeyPair().secretKey,
      party.feeds.authorKeyPair().secretKey.subarray(0, 32)
    ])
    await first.close()
    const mine = await listIn(t, storage, { ...options, keyPair })
    const app = await mine.create({ name: 'of the app' })
    await (await app.feeds.writer('log')).append('words')
    secrets.push(app.key, keyPair.secretKey, keyPair.secretKey.subarray(0, 32))
    await mine.close()
    const registry = await openRegistry(storage, secret)
    for (const { genesis } of registry.list()) if (genesis !== null) secrets.push(genesis.salt)
    await registry.close()
    const files = await filesIn(storage)
    t.true(files.length > 5)
    for (const bytes of secrets) t.deepEqual(filesWith(files, bytes), [])
    t.deepEqual(filesWith(files, b4a.from('a name')), [], 'names are sealed, too')
    t.true(filesWith(files, opened[0]?.feeds.author ?? KEY).length > 0, 'the search finds what is there')
    const master = decodeMaster(new Uint8Array(await readFile(join(listFolder(storage), 'master'))))
    if (!master.ok) return t.fail('the master file is none')
    t.is(master.value.isSealed, secret !== undefined)
    if (master.value.isSealed) continue
    t.deepEqual(filesWith(files, master.value.master), [join(listFolder(storage), 'master')])
    const { partyId } = new PartyKeys(crypto, opened[1]?.key as Uint8Array)
    t.deepEqual(filesWith(files, authorSeedOf(crypto, master.value.master, partyId)), [])
  }
})

test('a sealed list opens with its secret alone; one in clear is sealed by the first secret, and stays so', async t => {
  const { parties, storage } = await newList(t)
  const { key } = await parties.create({ name: 'walks' })
  await parties.close()
  const sealed = await listIn(t, storage, { secret: SECRET })
  t.deepEqual(sealed.list()[0]?.key, key)
  await sealed.close()
  const code = 'ERR_PARTY_SECRET'
  for (const options of [{}, { secret: new Uint8Array(32) }]) {
    const other = new Parties({ storage, ...options })
    await t.throwsAsync(other.ready(), { code })
    await other.close()
  }
  for (const secret of [new Uint8Array(31), 'words' as never, () => 7 as never]) {
    const other = new Parties({ storage, secret })
    await t.throwsAsync(other.ready(), { code: 'ERR_PARTY_BAD_OPTION', instanceOf: TypeError })
    await other.close()
  }
  const again = await listIn(t, storage, { secret: () => SECRET })
  t.deepEqual(again.list()[0]?.key, key)
})

test('a damaged list is told and left as it is: every byte changed, cut off anywhere, swapped, or without its master key', async t => {
  const { parties, storage } = await newList(t)
  await parties.create({ name: 'walks' })
  await parties.close()
  const path = join(listFolder(storage), 'parties.bin')
  const whole = await readFile(path)
  const damaged = [
    ...Array.from(whole, (byte, i) => {
      const copy = Buffer.from(whole)
      copy[i] = byte ^ 1
      return copy
    }),
    ...[0, 7, 31, 47, whole.length - 1].map(length => whole.subarray(0, length)),
    Buffer.concat([whole, Buffer.alloc(1)])
  ]
  for (const bytes of damaged) {
    await writeFile(path, bytes)
    await t.throwsAsync(openRegistry(storage), { code: 'ERR_PARTY_STORAGE' })
    t.deepEqual(await readFile(path), bytes)
  }
  await writeFile(path, whole)
  const master = join(listFolder(storage), 'master')
  const key = await readFile(master)
  await writeFile(master, key.subarray(0, 20))
  await t.throwsAsync(openRegistry(storage), { code: 'ERR_PARTY_STORAGE' })
  await rm(master)
  await t.throwsAsync(openRegistry(storage), { code: 'ERR_PARTY_STORAGE', message: /master is missing/ })
  t.deepEqual(await readdir(listFolder(storage)), ['parties.bin'], 'no new master key was made')
  await writeFile(master, key)
  const again = await listIn(t, storage)
  t.is(again.list().length, 1)
})

test('a disk that fails rejects the call with a code, and the list is what it was, here and after a restart', async t => {
  const storage = await folder(t)
  let isFull = false
  const parties = await listIn(
    t,
    storage,
    {},
    {
      writeFile: (path, bytes) => {
        if (isFull) return Promise.reject(Object.assign(new Error('no space left'), { code: 'ENOSPC' }))
        return writeWholeFile(path, bytes)
      }
    }
  )
  await parties.create({ name: 'kept' })
  isFull = true
  await t.throwsAsync(parties.create({ name: 'lost' }), {
    code: 'ERR_PARTY_STORAGE',
    message: /no space left/
  })
  await t.throwsAsync(parties.forget('kept'), { code: 'ERR_PARTY_STORAGE' })
  const names = (list: Parties): unknown[] => list.list().map(({ name }) => name)
  t.deepEqual(names(parties), ['kept'])
  isFull = false
  await parties.create({ name: 'later' })
  t.deepEqual(names(parties), ['kept', 'later'])
  await parties.close()
  t.deepEqual(names(await listIn(t, storage)), ['kept', 'later'])
})

test('one storage has one list: a second in this process or in another is ERR_PARTY_LOCKED, until the first is closed', async t => {
  const { parties, storage } = await newList(t)
  const code = 'ERR_PARTY_LOCKED'
  const second = new Parties({ storage })
  await t.throwsAsync(second.ready(), { code })
  await second.close()
  await parties.close()
  const child = startChild(t, storage, 'hold')
  await until('the other process has it', () => child.lines.includes('open'))
  const third = new Parties({ storage })
  await t.throwsAsync(third.ready(), { code })
  await third.close()
  await kill(child.process)
  t.deepEqual((await listIn(t, storage)).list(), [])
})

test('kill -9 between write and rename loses nothing: the list before it is there, and the torn file is gone', async t => {
  const storage = await folder(t)
  const child = startChild(t, storage, 'stuck')
  await until('the file is written', () => child.lines.includes('written'))
  await kill(child.process)
  const left = await readdir(listFolder(storage))
  t.is(left.filter(name => name.endsWith('.tmp')).length, 1)
  const parties = await listIn(t, storage)
  t.deepEqual(
    parties.list().map(({ name, key }) => [name, b4a.toString(key, 'hex')]),
    [['kept', child.lines[0]]]
  )
  t.deepEqual((await readdir(listFolder(storage))).sort(), ['master', 'parties.bin'])
  const party = await parties.open('kept')
  t.is(party.feeds.size, 0)
})

test('kill -9 at any moment: every party that was acknowledged is in the list', async t => {
  const storage = await folder(t)
  let acknowledged: string[] = []
  for (let round = 0; round < 3; round++) {
    const folderOfRound = join(storage, `${round}`)
    const child = startChild(t, folderOfRound, 'loop')
    await until('some are made', () => child.lines.length >= 2 + round)
    await kill(child.process)
    acknowledged = child.lines
    const parties = await listIn(t, folderOfRound)
    const keys = parties.list().map(({ key }) => b4a.toString(key, 'hex'))
    t.deepEqual(keys.slice(0, acknowledged.length), acknowledged)
    t.true(keys.length <= acknowledged.length + 1)
    const last = await parties.open(keys.at(-1) as string)
    await (await last.feeds.writer('log')).append('goes on')
  }
})
