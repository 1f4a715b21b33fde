import { spawn, spawnSync } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** Debian's Python, the one `apt-get install python3-torch` serves. */
export const PYTHON = process.env.BENCH_PYTHON ?? "/usr/bin/python3";
export const THREADS = 2;

/** The same thread count for every library a peer may use. */
export const peerEnvironment = {
  ...process.env,
  OMP_NUM_THREADS: String(THREADS),
  OPENBLAS_NUM_THREADS: String(THREADS),
  MKL_NUM_THREADS: String(THREADS),
};

/** The peers are missing, or one failed: the bench cannot compare. */
export class PeerError extends Error {
  name = "PeerError";
}

/** @throws {PeerError} that says what to install */
export function requirePeers() {
  const found = spawnSync(PYTHON, ["-c", "import numpy, scipy, torch"], {
    env: peerEnvironment,
    encoding: "utf8",
  });
  if (found.status === 0) return;
  const reason = found.error?.message ?? found.stderr.trim().split("\n").at(-1);
  throw new PeerError(
    `the peers are missing (${PYTHON}: ${reason})\n` +
      "install them with: apt-get install python3-numpy python3-scipy python3-torch\n" +
      "or name a Python that has numpy, scipy and torch: BENCH_PYTHON=/path/to/python3",
  );
}

/** One long-lived process that answers one request at a time, JSON lines both ways. */
export class Peer {
  #child;
  #answers;
  /** What it is: numpy's and torch's versions, or another peer's. */
  about;

  /**
   * @param {string} [script] in this folder
   * @param {string[]} [command] what runs it
   * @param {NodeJS.ProcessEnv} [environment]
   * @returns {Promise<Peer>} ready, its thread pools warm
   */
  static async start(script = "peers/peers.py", command = [PYTHON, "-u"], environment = peerEnvironment) {
    const peer = new Peer();
    const [program, ...args] = [...command, fileURLToPath(new URL(script, import.meta.url))];
    peer.#child = spawn(program, args, { env: environment, stdio: ["pipe", "pipe", "inherit"] });
    peer.#answers = createInterface({ input: peer.#child.stdout })[Symbol.asyncIterator]();
    peer.about = await peer.ask("hello");
    return peer;
  }

  /**
   * @param {string} op one of the script's operations
   * @param {object} [fields] its arguments
   * @returns {Promise<any>} its answer; timed operations give { seconds, value }
   */
  async ask(op, fields = {}) {
    this.#child.stdin.write(`${JSON.stringify({ op, ...fields })}\n`);
    const { value, done } = await this.#answers.next();
    if (done) throw new PeerError(`the peer process ended during ${op}`);
    const answer = JSON.parse(value);
    if (answer.error !== undefined) throw new PeerError(`${op}: ${answer.error}`);
    return answer;
  }

  stop() {
    this.#child.stdin.end();
  }
}
