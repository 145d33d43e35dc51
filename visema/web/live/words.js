// Every text of the player, in the page's languages; the first is what everybody else gets.

const TEXTS = {
  en: {
    connecting: 'Connecting…',
    loading: 'Loading…',
    listening: 'Listening…',
    preparing: 'Preparing…',
    speaking: 'Speaking…',
    waiting: 'In line: place {place}',
    lost: 'Connection lost. Trying again…',
    ended: 'Disconnected',
    picture: '{name}, a talking avatar',
    tap: 'Tap to hear',
    captionsOn: 'Show captions',
    captionsOff: 'Hide captions',
    mute: 'Mute',
    unmute: 'Unmute',
    text: 'What to say',
    placeholder: 'Type something to say…',
    speak: 'Speak',
    stop: 'Stop',
    stats: 'What is measured',
    refused: 'The server did not let this page in. It must be started with --origin and the address of this page.',
    plain_view: 'Plain view',
    live_view: 'Live view',
    status_preparing: 'Turning the words into sound…',
    status_speaking: 'Speaking…',
    status_spoken: 'Spoken: {t} s.',
    status_stopped: 'Stopped.',
    status_waiting: 'All seats are taken. Place {place} in line; it begins by itself.',
    no_live: 'The live view could not be opened, so this is the plain view. A proxy in between may not pass WebSockets on.',
    plainly: '{words}',
    unsupported: 'This browser cannot show the live view: it lacks {what}.',
  },
  ru: {
    connecting: 'Подключение…',
    loading: 'Загрузка…',
    listening: 'Слушает…',
    preparing: 'Готовится…',
    speaking: 'Говорит…',
    waiting: 'В очереди: место {place}',
    lost: 'Связь прервалась. Пробуем снова…',
    ended: 'Отключено',
    picture: '{name}, говорящий аватар',
    tap: 'Нажмите, чтобы слышать',
    captionsOn: 'Показать субтитры',
    captionsOff: 'Скрыть субтитры',
    mute: 'Выключить звук',
    unmute: 'Включить звук',
    text: 'Что сказать',
    placeholder: 'Введите, что нужно сказать…',
    speak: 'Сказать',
    stop: 'Стоп',
    stats: 'Что измерено',
    refused: 'Сервер не пускает эту страницу. Его нужно запустить с --origin и адресом этой страницы.',
    plain_view: 'Простой вид',
    live_view: 'Живой вид',
    status_preparing: 'Превращаем слова в звук…',
    status_speaking: 'Говорит…',
    status_spoken: 'Сказано: {t} с.',
    status_stopped: 'Остановлено.',
    status_waiting: 'Все места заняты. Вы {place}-й в очереди; речь начнётся сама.',
    no_live: 'Живой вид открыть не удалось, поэтому показан простой. Возможно, прокси не пропускает WebSocket.',
    plainly: '{words}',
    unsupported: 'Этот браузер не может показать живое изображение: в нём нет {what}.',
  },
};

/** The one of our languages that `tag` asks for. */
export function languageOf(tag) {
  const code = (tag || navigator.language || '').split('-')[0].toLowerCase();
  return code in TEXTS ? code : 'en';
}

/** The text `key`, with `values` filled in. */
export function text(language, key, values = {}) {
  return Object.entries(values).reduce((found, [name, value]) => found.replace(`{${name}}`, value), TEXTS[language][key]);
}
