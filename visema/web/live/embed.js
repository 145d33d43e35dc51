// <script src="https://avatar.example.org/live/embed.js"></script> makes <visema-avatar> known to a page.
import(new URL('player/element.js', document.currentScript.src).href);
