// The processes and the connections between them, and the buttons that press on them.
const find = (selector, within = document) => within.querySelector(selector);
const words = { running: 'running', frozen: 'frozen', dead: 'dead', ending: 'ending …', starting: 'starting …' };
const labels = {
  kill: ['Kill', 'SIGKILL'],
  freeze: ['Freeze', 'SIGSTOP: it stands still, its connections stay open'],
  thaw: ['Thaw', 'SIGCONT'],
  restart: ['Restart', 'SIGTERM, then a new process at the same port'],
  start: ['Start', 'A new process at the same port'],
};
const offers = {
  running: ['kill', 'freeze', 'restart'],
  frozen: ['kill', 'thaw', 'restart'],
  dead: ['start'],
  ending: [],
  starting: [],
};

/** @param {(order: object) => void} press what a button does */
export function buildTopology(press) {
  let processes = [];
  let cut = false;
  let link = 'connecting';
  /** The backend that this page's pipe is attached to; '' = none. */
  let backend = '';

  for (const node of document.querySelectorAll('[data-process]')) {
    for (const [action, [label, title]] of Object.entries(labels)) {
      const button = document.createElement('button');
      Object.assign(button, { type: 'button', textContent: label, title });
      button.dataset.action = action;
      if (action === 'kill') button.className = 'danger';
      button.addEventListener('click', () => press({ action, target: node.dataset.process }));
      find('.buttons', node).append(button);
    }
  }

  function render() {
    const up = link === 'open' || link === 'interrupted';
    for (const { name, port, pid, is } of processes) {
      const node = find(`#node-${name}`);
      if (!node) continue;
      node.dataset.is = is;
      find('.is', node).textContent = words[is];
      find('.where', node).textContent = `port ${port}, ${is === 'dead' ? `was pid ${pid}` : `pid ${pid}`}`;
      for (const button of node.querySelectorAll('[data-action]')) {
        const { action } = button.dataset;
        // A button that was just pressed keeps the focus: it is disabled, or its counterpart takes its place.
        const offered = offers[is].includes(action);
        const settled = is !== 'ending' && is !== 'starting';
        const hadFocus = button === document.activeElement;
        button.disabled = !offered;
        button.hidden = settled ? !offered : action !== 'restart';
        if (button.hidden && hadFocus) find('button:not([hidden], :disabled)', node)?.focus();
      }
      if (name === 'gateway') continue;
      const serves = up && link === 'open' && backend === name;
      node.dataset.serves = serves ? 'yes' : 'no';
      find(`#wire-${name}`).dataset.is = serves ? 'live' : 'idle';
    }
    const wire = cut ? 'cut' : up ? 'live' : link === 'failed' || link === 'closed' ? 'cut' : 'busy';
    find('#wire-page').dataset.is = wire;
  }

  return {
    setProcesses(next) {
      processes = next;
      render();
    },
    setCut(next) {
      cut = next;
      render();
    },
    setLink(next) {
      link = next;
      render();
    },
    setBackend(next) {
      backend = next;
      render();
    },
  };
}
