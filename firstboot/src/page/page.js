'use strict';
// The server makes the page; this only fetches it again when the node has news, and counts seconds between.
const lost = document.getElementById('lost');
let source, asking = false, again = false;

async function refresh() {
  if (asking) { again = true; return; }
  asking = true;
  try {
    do {
      again = false;
      const answer = await fetch('/');
      if (!answer.ok) throw new Error(answer.status);
      const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html');
      document.title = fresh.title;
      for (const old of document.querySelectorAll('[data-live]')) {
        const now = fresh.getElementById(old.id);
        if (!now) continue;
        old.className = now.className;
        if (old.innerHTML !== now.innerHTML) old.replaceChildren(...now.childNodes);
      }
    } while (again);
    lost.hidden = true;
  } catch { lost.hidden = false; setTimeout(refresh, 3000); }
  asking = false;
}

function listen() {
  if (source) source.close();
  source = new EventSource('/events');
  source.onmessage = refresh;
  // A stream ends now and then; whether the node answers shows the page itself.
  source.onerror = refresh;
}

// Phones end streams of pages that nobody looks at, and a browser that got an error does not ask again.
document.addEventListener('visibilitychange', () => { if (!document.hidden) { listen(); refresh(); } });
setInterval(() => { if (source.readyState === EventSource.CLOSED && !document.hidden) { listen(); refresh(); } }, 10000);
setInterval(() => {
  for (const time of document.querySelectorAll('[data-seconds]')) {
    const seconds = Number(time.dataset.seconds) + 1;
    time.dataset.seconds = seconds;
    time.textContent = seconds < 100 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  }
}, 1000);
listen();
