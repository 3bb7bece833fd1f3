// Numbered messages and their answers: "#7 hello" is answered by "a: #7 hello".
const find = (selector) => document.querySelector(selector);
const maxBubbles = 200;
const maxDots = 600;
const streamMs = 200;

/** @param {(text: string) => boolean} send false = no room for it */
export function buildChat(send) {
  const counts = { sent: 0, answered: 0, waiting: 0, lost: 0, twice: 0 };
  /** By number, while there is no answer. */
  const waiting = new Map();
  const answered = new Set();
  const dots = find('#dots');
  const messages = find('#messages');
  let timer;

  function count(changes) {
    for (const [name, change] of Object.entries(changes)) counts[name] += change;
    counts.waiting = waiting.size;
    for (const [name, value] of Object.entries(counts)) find(`#${name}`).textContent = String(value);
    find('#lost').className = counts.lost > 0 ? 'bad' : '';
  }

  function addBubble(className, text, badge) {
    find('#messages .hint')?.remove();
    const atEnd = messages.scrollHeight - messages.scrollTop - messages.clientHeight < 60;
    const bubble = document.createElement('li');
    bubble.className = `bubble ${className}`;
    const words = document.createElement('span');
    words.textContent = text;
    if (badge) {
      bubble.dataset.backend = badge;
      const sign = document.createElement('span');
      sign.className = 'badge';
      sign.textContent = badge;
      bubble.append(sign);
    }
    bubble.append(words);
    messages.append(bubble);
    while (messages.children.length > maxBubbles) messages.firstElementChild.remove();
    if (atEnd || className === 'mine') messages.scrollTop = messages.scrollHeight;
    return bubble;
  }

  /** @param {string} text '' = one of the stream: a dot and no bubble */
  function say(text) {
    const number = counts.sent + 1;
    if (!send(`#${number} ${text}`)) {
      addBubble('note', 'Not sent: there is no connection, or no room for more.');
      return false;
    }
    const dot = document.createElement('li');
    dots.prepend(dot);
    while (dots.children.length > maxDots) dots.lastElementChild.remove();
    const mark = document.createElement('small');
    mark.textContent = 'sent';
    if (text !== '') addBubble('mine', text).append(mark);
    waiting.set(number, { dot, mark });
    count({ sent: 1 });
    return true;
  }

  find('#say').addEventListener('submit', (event) => {
    event.preventDefault();
    const input = find('#text');
    if (say(input.value)) input.value = '';
  });
  find('#stream').addEventListener('click', ({ currentTarget }) => {
    const on = currentTarget.getAttribute('aria-pressed') !== 'true';
    currentTarget.setAttribute('aria-pressed', String(on));
    clearInterval(timer);
    if (on) timer = setInterval(() => say('') || currentTarget.click(), streamMs);
  });

  return {
    /** A message of a backend. */
    answer(data) {
      const [, backend = '', digits = '', text = ''] = /^(\w+): #(\d+) ?([\s\S]*)$/.exec(data) ?? [];
      const number = Number(digits);
      if (backend === '' || answered.has(number)) {
        count({ twice: 1 });
        return '';
      }
      // Answers come in order: those before it that are still missing do not come any more.
      for (const [earlier, { dot, mark }] of waiting) {
        if (earlier >= number) break;
        waiting.delete(earlier);
        dot.className = 'lost';
        mark.textContent = 'answer lost';
        count({ lost: 1 });
      }
      const found = waiting.get(number);
      waiting.delete(number);
      answered.add(number);
      if (found) {
        found.dot.dataset.backend = backend;
        found.mark.textContent = '✓';
        found.mark.title = `answered by ${backend}`;
      }
      count({ answered: 1 });
      if (text !== '') addBubble('theirs', text, backend);
      return backend;
    },
    note: (text) => addBubble('note', text),
  };
}
