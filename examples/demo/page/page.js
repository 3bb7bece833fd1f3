import { HoldfastSocket } from '/holdfast/client.js';
import '/holdfast/status.js';
import { buildChat } from '/demo/chat.js';
import { buildTopology } from '/demo/topology.js';

const find = (selector) => document.querySelector(selector);
const page = crypto.randomUUID();
const maxLines = 300;

/** A line of what happened. @param {'page' | 'gateway' | 'demo'} who @param {'good' | 'busy' | 'bad' | ''} tone */
function tell(who, text, tone = '', at = Date.now()) {
  const line = document.createElement('li');
  line.dataset.tone = tone;
  const time = document.createElement('time');
  const date = new Date(at);
  time.dateTime = date.toISOString();
  time.title = `${date.toTimeString().slice(0, 8)}.${String(date.getMilliseconds()).padStart(3, '0')}`;
  time.textContent = date.toTimeString().slice(0, 8);
  line.append(time);
  for (const [name, value] of Object.entries({ who, what: text })) {
    const part = document.createElement('span');
    part.className = name;
    part.textContent = value;
    line.append(part);
  }
  const lines = find('#lines');
  lines.prepend(line);
  while (lines.children.length > maxLines) lines.lastElementChild.remove();
}
find('#clear').addEventListener('click', () => find('#lines').replaceChildren());

async function press(order) {
  try {
    const answer = await fetch('/demo/control', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(order),
    });
    if (answer.ok) return true;
    tell('demo', await answer.text(), 'bad');
  } catch {
    tell('demo', 'The demo does not answer.', 'bad');
  }
  return false;
}

const topology = buildTopology(press);
let socket = null;
const chat = buildChat((text) => socket?.send(text) ?? false);

for (const button of document.querySelectorAll('[data-page-action]')) {
  button.addEventListener('click', async () => {
    if (await press({ action: button.dataset.pageAction, page }))
      tell('demo', 'RST: the connection of this page is torn');
  });
}
find('#cut').addEventListener('click', async ({ currentTarget: button }) => {
  const cut = button.getAttribute('aria-pressed') !== 'true';
  if (!(await press({ action: cut ? 'cut' : 'mend', page }))) return;
  button.setAttribute('aria-pressed', String(cut));
  button.textContent = cut ? 'Mend network' : 'Cut network';
  topology.setCut(cut);
  tell(
    'demo',
    cut ? 'The network of this page is cut: nothing passes, nobody is told' : 'The network of this page is mended',
  );
});
find('#interval').addEventListener('change', async ({ currentTarget: select }) => {
  if (!(await press({ action: 'heartbeat', intervalMs: Number(select.value) }))) select.value = select.dataset.value;
});

let beat = null;
let timing = '';
function showBeat(rttMs) {
  if (rttMs !== undefined) beat = rttMs;
  find('#rtt').textContent = beat === null ? timing : `${beat} ms, ${timing}`;
}
function onSnapshot({ networkPort, processes, heartbeat }) {
  topology.setProcesses(processes);
  if (heartbeat) {
    const { intervalMs, timeoutMs } = heartbeat;
    const select = find('#interval');
    const value = String(intervalMs);
    if (![...select.options].some((option) => option.value === value))
      select.add(new Option(`${intervalMs / 1000} s`, value));
    select.value = select.dataset.value = value;
    timing = intervalMs === 0 ? 'off' : `every ${intervalMs / 1000} s, dead after ${timeoutMs / 1000} s`;
    showBeat();
  }
  if (!socket) connect(networkPort);
}

const gatewayTones = {
  'pipe.interrupted': 'busy',
  'client.detached': 'busy',
  'backend.ejected': 'busy',
  'heartbeat.missed': 'busy',
  'gateway.closing': 'busy',
  'pipe.restored': 'good',
  'client.resumed': 'good',
  'backend.recovered': 'good',
  'heartbeat.timeout': 'bad',
  'client.resume-refused': 'bad',
};
function onHappened({ at, text, event, pipeId, backendId }) {
  if (event === 'backend.attached' || event === 'pipe.migrated') {
    if (pipeId === socket?.pipe) topology.setBackend(backendId);
  }
  const own = pipeId !== undefined && pipeId === socket?.pipe;
  const told = own ? text.replace(/^client \w+/, 'this page') : text;
  if (text !== '') tell(event ? 'gateway' : 'demo', told, gatewayTones[event] ?? '', at);
}

function connect(networkPort) {
  socket = new HoldfastSocket(`ws://127.0.0.1:${networkPort}/ws?page=${page}`, [], {
    connectTimeoutMs: 3000,
    maxBackoffMs: 5000,
  });
  find('holdfast-status').socket = socket;
  const say = {
    connecting: ({ attempt }) => ['connecting', attempt > 1 ? 'busy' : ''],
    open: () => ['open', 'good'],
    interrupted: ({ reason }) => [`interrupted: the gateway has no backend for us (${reason})`, 'busy'],
    reconnecting: ({ reason, attempt, nextTryAt }) => [
      `reconnecting (${reason})${attempt > 0 ? `, attempt ${attempt}` : ''} ${nextTryAt ? `in ${Math.max(0, Math.round(nextTryAt - Date.now()))} ms` : 'now'}`,
      'busy',
    ],
    failed: ({ maxAttempts }) => [`failed after ${maxAttempts} attempts`, 'bad'],
    closed: ({ code }) => [`closed with ${code}`, 'bad'],
  };
  socket.addEventListener('state', ({ detail }) => {
    topology.setLink(detail.state);
    tell('page', ...say[detail.state](detail));
    find('#pipe').textContent = socket.pipe || 'none yet';
  });
  socket.addEventListener('message', ({ data }) => {
    const backend = chat.answer(data);
    if (backend !== '') topology.setBackend(backend);
  });
  socket.addEventListener('heartbeat', ({ detail }) => {
    showBeat(detail.rttMs);
    const pulse = find('#beat');
    pulse.classList.remove('beat');
    void pulse.offsetWidth;
    pulse.classList.add('beat');
  });
  socket.addEventListener('resumed', ({ detail }) =>
    tell('page', `resumed: the same session; ${detail.resentMessages} messages sent again`, 'good'),
  );
  socket.addEventListener('restored', ({ detail }) =>
    tell('page', `restored: the gap was ${Math.round(detail.gapMs)} ms; ${detail.replayed} messages replayed`, 'good'),
  );
  socket.addEventListener('reset', ({ detail }) => {
    const { keptMessages, maybeTwiceMessages } = detail;
    tell(
      'page',
      `reset: a new session. ${keptMessages} kept messages are sent again, ${maybeTwiceMessages} of them perhaps twice; answers that were on the way are lost`,
      'bad',
    );
    chat.note('A new session: answers on the way may be lost');
  });
  socket.addEventListener('drain', () => tell('page', 'there is room for messages again'));
}

const events = new EventSource('/demo/events');
events.addEventListener('snapshot', ({ data }) => onSnapshot(JSON.parse(data)));
events.addEventListener('happened', ({ data }) => onHappened(JSON.parse(data)));
events.addEventListener('open', () => {
  find('#gone').hidden = true;
});
events.addEventListener('error', () => {
  find('#gone').hidden = false;
});
