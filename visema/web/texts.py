"""Every text of the page, in English and Russian; the browser's language chooses.

Notes and errors, which come from everywhere, are English in their code and Russian in `messages.tsv`.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from typing import Any

from visema.message import Message, fill, message_of

#: Languages that the page speaks; the first is what everybody else gets.
LANGUAGES = ("en", "ru")

#: key -> (English, Russian). Keys in braces are filled in by `text`.
TEXTS: dict[str, tuple[str, str]] = {
    "title": ("Visema – live talking avatar", "Visema – живой говорящий аватар"),
    "tagline": (
        "A face that says your words. Type a sentence and press Speak.",
        "Лицо, которое говорит ваши слова. Введите фразу и нажмите «Сказать».",
    ),
    "avatar_alt": ("The avatar, live", "Аватар, живое изображение"),
    # What the avatar is doing: on the picture, and beside the buttons.
    "state_listening": ("Listening…", "Слушает…"),
    "state_preparing": ("Preparing…", "Готовится…"),
    "state_speaking": ("Speaking…", "Говорит…"),
    "status_ready": ("Ready. Type something and press Speak.", "Всё готово. Введите текст и нажмите «Сказать»."),
    "status_preparing": ("Turning the words into sound…", "Превращаем слова в звук…"),
    "status_starting": ("The sound is on its way to your browser…", "Звук передаётся в браузер…"),
    "status_speaking": ("Speaking: {t} of {duration} s.", "Говорит: {t} из {duration} с."),
    "status_done": (
        "Spoken: {duration} s by {voice}, ready after {wait} s.",
        "Сказано: {duration} с, голос {voice}, подготовка заняла {wait} с.",
    ),
    "status_stopped": ("Stopped.", "Остановлено."),
    "status_muted": (
        "Your browser kept the sound back. Click the page once and press Speak again.",
        "Браузер не включил звук. Щёлкните в любом месте страницы и снова нажмите «Сказать».",
    ),
    "status_no_text": ("There is nothing to say yet: type a text first.", "Пока нечего сказать: введите текст."),
    "status_too_long": (
        "This text has {length} characters and the page takes {limit}. For longer ones use "
        "`video.py --text @file.txt --save out.mp4`.",
        "В тексте {length} знаков, а страница принимает {limit}. Для более длинных текстов есть команда "
        "`video.py --text @file.txt --save out.mp4`.",
    ),
    "status_setting": ("“{name}” must be from {low} to {high}.", "«{name}»: нужно значение от {low} до {high}."),
    "lost": ("The connection was lost. Trying again…", "Связь прервалась. Пробуем снова…"),
    # Words and voice.
    "text": ("Text", "Текст"),
    "text_placeholder": ("Enter the text to speak…", "Введите текст, который нужно сказать…"),
    "text_info": ("Ctrl+Enter speaks. [pause 500ms] makes a pause.", "Ctrl+Enter – сказать. [pause 500ms] – пауза."),
    "first_text": ("Hello, this is your avatar speaking.", "Здравствуйте! Говорит ваш аватар."),
    "language": ("Language", "Язык"),
    "all_languages": ("All languages", "Все языки"),
    "voice": ("Voice", "Голос"),
    "speak": ("Speak", "Сказать"),
    "stop": ("Stop", "Стоп"),
    "save": ("Save as video", "Сохранить видео"),
    "manner": ("How it is spoken", "Как произносить"),
    "rate": ("Speed", "Скорость"),
    "pitch": ("Pitch, semitones", "Высота, полутоны"),
    "volume": ("Volume", "Громкость"),
    "mark": ("Write “AI generated” on the saved film", "Написать на сохранённом фильме «AI generated»"),
    "cloud_notice": (
        "This voice is a cloud voice: your text goes to {service}. If the service cannot be reached, "
        "a voice of this machine speaks instead, and you are told.",
        "Это облачный голос: текст отправляется в службу {service}. Если служба недоступна, заговорит голос "
        "этого компьютера, и вы увидите предупреждение.",
    ),
    "embedded_female": ("{name}, female (embedded)", "{name}, женский (встроенный)"),
    "embedded_male": ("{name}, male (embedded)", "{name}, мужской (встроенный)"),
    "own_match": ("{name} (voice match)", "{name} (подобранный голос)"),
    "own_clone": ("{name} (clone)", "{name} (клон)"),
    "local_notice": (
        "This voice speaks on this machine; your text stays here.",
        "Этот голос работает на этом компьютере; текст никуда не отправляется.",
    ),
    "offline_notice": (
        "Offline: a cloud voice is replaced by the nearest voice of this machine; your text stays here.",
        "Без сети: облачный голос заменяется ближайшим голосом этого компьютера; текст никуда не отправляется.",
    ),
    # Saving.
    "saving_speech": ("Turning the words into sound…", "Превращаем слова в звук…"),
    "saving": ("Writing the video…", "Записываем видео…"),
    "saved": ("Your video is ready: {duration} s in {took} s.", "Видео готово: {duration} с за {took} с."),
    "download_video": ("Video (mp4)", "Видео (mp4)"),
    "download_srt": ("Captions (srt)", "Субтитры (srt)"),
    "download_vtt": ("Captions (vtt)", "Субтитры (vtt)"),
    # Setup.
    "setup": ("Setup: a new avatar from a video or photo", "Настройка: новый аватар из видео или фото"),
    "setup_help": (
        "One face, looking at the camera, mouth closed. A photo comes alive by itself; a video of 5 to 30 seconds "
        "keeps its own motion. Use only pictures of people who agreed to it.",
        "Одно лицо, взгляд в камеру, рот закрыт. Фото оживёт само; видео длиной 5–30 секунд сохранит свои движения. "
        "Используйте только изображения людей, которые на это согласны.",
    ),
    "source": ("Video or photo", "Видео или фото"),
    "name": ("Name", "Имя"),
    "name_placeholder": ("as you like", "любое, по желанию"),
    "frame": ("Reference frame (of a video)", "Опорный кадр (для видео)"),
    "frame_middle": ("Middle", "Средний"),
    "frame_auto": ("Best closed mouth", "Лучший с закрытым ртом"),
    "frame_number": ("By number", "По номеру"),
    "frame_index": ("Frame number", "Номер кадра"),
    "make": ("Make the avatar", "Создать аватар"),
    "making": ("Making the avatar…", "Создаём аватар…"),
    "made": (
        "“{name}” is ready and on stage, after {took} s.",
        "Аватар «{name}» готов и уже на сцене: понадобилось {took} с.",
    ),
    "sheet_alt": (
        "The 22 mouth shapes and the blink of “{name}”",
        "22 положения губ и моргание аватара «{name}»",
    ),
    "no_source": ("Choose a video or a photo first.", "Сначала выберите видео или фото."),
    # The gallery.
    "gallery": ("Avatars", "Аватары"),
    "manage": ("Manage avatars", "Управление аватарами"),
    "manage_help": ("For the avatar on stage: “{name}”", "Действия с аватаром на сцене: «{name}»"),
    "new_name": ("New name", "Новое имя"),
    "rename": ("Rename", "Переименовать"),
    "renamed": ("Renamed to “{name}”.", "Теперь аватар называется «{name}»."),
    "delete": ("Delete…", "Удалить…"),
    "delete_ask": (
        "Delete “{name}” for good? Export it first if you may want it back.",
        "Удалить «{name}» навсегда? Если он может понадобиться, сначала экспортируйте его.",
    ),
    "delete_yes": ("Yes, delete it", "Да, удалить"),
    "delete_no": ("No, keep it", "Нет, оставить"),
    "deleted": ("“{name}” was deleted.", "Аватар «{name}» удалён."),
    "delete_last": (
        "This is the only avatar; make or import another one before you delete it.",
        "Это единственный аватар; сначала создайте или импортируйте другой.",
    ),
    "export": ("Export as zip", "Экспорт в zip"),
    "import": ("Import a zip", "Импорт из zip"),
    "imported": ("“{name}” was imported and is on stage.", "Аватар «{name}» импортирован и на сцене."),
    "switched": ("“{name}” is on stage.", "На сцене «{name}»."),
    "on_stage": ("on stage", "на сцене"),
    # The tab of films; its scripts get these without the prefix.
    "tab_live": ("Live avatar", "Живой аватар"),
    "tab_film": ("Video from a photo", "Видео из фото"),
    "film_picture": ("Photo of a face", "Фото лица"),
    "film_picture_drop": (
        "Drop a photo here, or click to choose one",
        "Перетащите фото сюда или нажмите, чтобы выбрать",
    ),
    "film_picture_kinds": (
        "JPEG, PNG or WebP. One face from the front, mouth closed. Use only pictures and voices of people who agreed "
        "to it.",
        "JPEG, PNG или WebP. Лицо анфас, рот закрыт. Используйте изображения и голоса только тех людей, которые "
        "на это согласны.",
    ),
    "film_picture_other": ("Another photo", "Другое фото"),
    "film_looking": ("Looking for the face…", "Ищем лицо…"),
    "film_face_one": ("The face was found.", "Лицо найдено."),
    "film_face_many": (
        "{count} faces: click the one that shall speak.",
        "Лиц найдено: {count}. Нажмите на то, которое будет говорить.",
    ),
    "film_face": ("Face {number}", "Лицо {number}"),
    "film_said_by": ("What is said", "Что говорить"),
    "film_by_text": ("Text", "Текст"),
    "film_by_sound": ("Recording", "Запись"),
    "film_text": ("Text to speak", "Текст"),
    "film_text_placeholder": ("Enter the text to speak…", "Введите текст, который нужно сказать…"),
    "film_language": ("Language", "Язык"),
    "film_voice": ("Voice", "Голос"),
    "film_sound_drop": (
        "Drop a recording here, or click to choose one",
        "Перетащите запись сюда или нажмите, чтобы выбрать",
    ),
    "film_sound_kinds": (
        "WAV, MP3, M4A, OGG, FLAC or a video with sound",
        "WAV, MP3, M4A, OGG, FLAC или видео со звуком",
    ),
    "film_record": ("Record", "Записать"),
    "film_record_stop": ("Stop, {seconds} s", "Стоп, {seconds} с"),
    "film_no_microphone": (
        "The microphone cannot be used: allow it in the browser, or choose a file.",
        "Микрофон недоступен: разрешите его в браузере или выберите файл.",
    ),
    "film_insecure": (
        "Browsers give the microphone only to pages over HTTPS or on this machine. Choose a file instead.",
        "Браузеры дают микрофон только страницам по HTTPS или на этом компьютере. Выберите файл.",
    ),
    "film_transcript": ("What is said in it (makes the lips more exact)", "Что в ней сказано (губы будут точнее)"),
    "film_sound_remove": ("Remove", "Убрать"),
    "film_more": ("Movement, expression, shape", "Движение, выражение, формат"),
    "film_style": ("Movement", "Движение"),
    "film_style_calm": ("Calm", "Спокойное"),
    "film_style_lively": ("Lively", "Живое"),
    "film_style_still": ("Still", "Неподвижное"),
    "film_expression": ("Expression", "Выражение"),
    "film_expression_neutral": ("As in the photo", "Как на фото"),
    "film_expression_smile": ("Smile", "Улыбка"),
    "film_expression_serious": ("Serious", "Серьёзное"),
    "film_degree": ("How much", "Насколько"),
    "film_crop": ("Shape", "Формат"),
    "film_crop_none": ("As in the photo", "Как у фото"),
    "film_make": ("Make the video", "Создать видео"),
    "film_cancel": ("Cancel", "Отменить"),
    "film_again": ("Back to the photo", "Вернуться к фото"),
    "film_download": ("Video (mp4)", "Видео (mp4)"),
    "film_need_picture": ("Choose a photo first.", "Сначала выберите фото."),
    "film_need_text": ("There is nothing to say yet: type a text first.", "Пока нечего сказать: введите текст."),
    "film_need_sound": ("Choose or record something first.", "Сначала выберите файл или запишите голос."),
    "film_too_large": (
        "This file has {size} MB; at most {limit} MB can be sent.",
        "Размер файла {size} МБ, а принять можно не больше {limit} МБ.",
    ),
    "film_too_long": (
        "The text has {length} characters; at most {limit} can be spoken.",
        "В тексте {length} знаков, а произнести можно не больше {limit}.",
    ),
    "film_sending": ("Sending…", "Отправляем…"),
    "film_checking": ("The server is opening the files…", "Сервер открывает файлы…"),
    "film_stage_queued": ("Waiting in line: place {place}", "В очереди: место {place}"),
    "film_stage_starting": ("Beginning…", "Начинаем…"),
    "film_stage_reading": ("Looking at the photo…", "Изучаем фото…"),
    "film_stage_speaking": ("Turning the words into sound…", "Превращаем слова в звук…"),
    "film_stage_listening": ("Listening to the recording…", "Слушаем запись…"),
    "film_stage_drawing": ("Drawing the video…", "Рисуем видео…"),
    "film_stage_done": ("Finishing…", "Завершаем…"),
    "film_left": ("about {seconds} s left", "осталось около {seconds} с"),
    "film_ready": ("Your video is ready: {duration} s.", "Видео готово: {duration} с."),
    "film_kept": ("It can be downloaded for {hours} h.", "Его можно скачать в течение {hours} ч."),
    "film_cancelled": ("Cancelled.", "Отменено."),
    "film_lost": ("The connection was lost. Trying again…", "Связь прервалась. Пробуем снова…"),
    "film_unreadable": ("The server’s answer was not understood.", "Не удалось понять ответ сервера."),
    "film_error_no_face": ("No usable face was found in the photo.", "На фото не нашлось подходящего лица."),
    "film_error_bad_media": ("The file cannot be used.", "Файл не подходит."),
    "film_error_too_large": ("The file is too large.", "Файл слишком большой."),
    "film_error_disk_full": (
        "The server’s disk is full; try again later.",
        "На сервере закончилось место; попробуйте позже.",
    ),
    "film_error_busy": (
        "Too many videos are waiting; try again in a few minutes.",
        "Слишком много видео в очереди; попробуйте через несколько минут.",
    ),
    "film_error_busy_client": ("You have too many videos waiting.", "У вас слишком много видео в очереди."),
    "film_error_gone": ("The video was kept long enough and is gone.", "Срок хранения видео истёк, оно удалено."),
    "film_error_internal": (
        "Something unexpected went wrong; the details are in the server’s log.",
        "Произошла непредвиденная ошибка; подробности в журнале сервера.",
    ),
    # The tab of jobs.
    "tab_jobs": ("Jobs", "Задания"),
    "jobs_filter": ("Which jobs are shown", "Какие задания показаны"),
    "jobs_state_all": ("All", "Все"),
    "jobs_state_queued": ("Waiting", "В очереди"),
    "jobs_state_running": ("Being made", "Выполняется"),
    "jobs_state_done": ("Done", "Готово"),
    "jobs_state_failed": ("Failed", "Ошибка"),
    "jobs_state_cancelled": ("Cancelled", "Отменено"),
    "jobs_state_expired": ("Removed", "Удалено"),
    "jobs_kind_film": ("Video from a photo", "Видео из фото"),
    "jobs_kind_speak": ("Video of an avatar", "Видео с аватаром"),
    "jobs_kind_train": ("New avatar", "Новый аватар"),
    "jobs_looking": ("Looking for jobs…", "Загружаем задания…"),
    "jobs_none": ("No jobs here yet.", "Заданий пока нет."),
    "jobs_more": ("Show older ones", "Показать более старые"),
    "jobs_queue": ("Waiting on the server", "Очередь сервера"),
    "jobs_being_made": ("{count} being made", "выполняется: {count}"),
    "jobs_film_month": ("Video this month", "Видео за месяц"),
    "jobs_of_limit": ("of {limit}", "из {limit}"),
    "jobs_spent": ("Spent on voices", "Потрачено на голоса"),
    "jobs_characters": ("{count} characters", "знаков: {count}"),
    "jobs_storage": ("Stored", "Хранится"),
    "jobs_megabytes": ("MB", "МБ"),
    "jobs_seconds": ("{count} s", "{count} с"),
    "jobs_minutes": ("{count} min", "{count} мин"),
    "jobs_place": ("Place {place} in the queue", "Место в очереди: {place}"),
    "jobs_percent": ("{percent} % done", "Готово {percent} %"),
    "jobs_left": ("about {left} left", "осталось около {left}"),
    "jobs_attempts": ("attempt {count}", "попытка {count}"),
    "jobs_watch": ("Watch", "Смотреть"),
    "jobs_download": ("Download", "Скачать"),
    "jobs_captions": ("Captions", "Субтитры"),
    "jobs_cancel": ("Cancel", "Отменить"),
    "jobs_remove": ("Remove", "Удалить"),
    "jobs_sure": ("Really remove?", "Точно удалить?"),
    "jobs_lost": ("The server does not answer. Trying again…", "Сервер не отвечает. Пробуем снова…"),
    "jobs_unreadable": ("The server’s answer was not understood.", "Не удалось понять ответ сервера."),
    "jobs_error_forbidden": ("Your key may not look at jobs.", "Ваш ключ не позволяет видеть задания."),
    # The login page.
    "login_title": ("Log in", "Вход"),
    "login_key": ("Your key", "Ваш ключ"),
    "login_enter": ("Log in", "Войти"),
    "login_help": (
        "Who runs this server gives you a key. They make one by",
        "Ключ выдаёт тот, кто управляет сервером. Он создаётся командой",
    ),
    "login_name": ("NAME", "ИМЯ"),
    "login_wrong": (
        "That key does not open anything here. It may be mistyped, revoked or over.",
        "Этот ключ не подходит. Возможно, в нём опечатка, он отозван или истёк.",
    ),
    "login_often": (
        "Too many wrong keys came from your address. Try again in a few minutes.",
        "С вашего адреса пришло слишком много неверных ключей. Попробуйте через несколько минут.",
    ),
    "login_stale": (
        "The form was open for too long, or your browser keeps no cookies. Try again.",
        "Форма была открыта слишком долго или браузер не сохраняет cookie. Попробуйте ещё раз.",
    ),
    "logout": ("Log out", "Выйти"),
    # The live page.
    "no_avatar": ("There is no such avatar here.", "Такого аватара здесь нет."),
    "no_script": ("This page needs JavaScript.", "Этой странице нужен JavaScript."),
    "unexpected": (
        "Something unexpected went wrong; the details are in the server’s log.",
        "Произошла непредвиденная ошибка; подробности в журнале сервера.",
    ),
}


def text(key: str, language: str, **values: Any) -> str:
    """The text ``key`` in ``language`` (English when it is not one of ours), with ``values`` filled in."""
    column = LANGUAGES.index(language) if language in LANGUAGES else 0
    found = TEXTS[key][column]
    for name, value in values.items():  # str.format would stumble over the braces left for the page
        found = found.replace("{" + name + "}", str(value))
    return found


@lru_cache(maxsize=1)
def _translations() -> dict[str, str]:
    """Notes and errors of the whole program, as their code has them, in Russian."""
    rows = resources.files("visema.web").joinpath("messages.tsv").read_text(encoding="utf-8").splitlines()[1:]
    return dict(row.split("\t") for row in rows)


def in_language(words: str, language: str) -> str:
    """A note or an error in ``language``; English where it is not known in it."""
    if language != "ru":
        return str(words)
    message = message_of(words)
    template = _translations().get(message.template, message.template)
    return fill(template, localised(message.values, language))


def localised(told: Any, language: str) -> Any:
    """What is told to a browser, with every `Message` in it in ``language``."""
    if isinstance(told, Message):
        return in_language(told, language)
    if isinstance(told, dict):
        return {key: localised(value, language) for key, value in told.items()}
    if isinstance(told, (list, tuple)):
        return [localised(value, language) for value in told]
    return told


def table(language: str) -> dict[str, str]:
    """All texts of one language."""
    return {key: text(key, language) for key in TEXTS}


def preferred_language(accept_language: str) -> str:
    """The one of our languages that a browser asks for first in its Accept-Language header."""
    ranked: list[tuple[float, str]] = []
    for item in accept_language.split(","):
        tag, _, parameter = item.strip().partition(";")
        try:
            weight = float(parameter.strip().removeprefix("q=")) if parameter else 1.0
        except ValueError:
            weight = 0.0
        ranked.append((weight, tag.split("-")[0].strip().lower()))
    ranked.sort(key=lambda entry: -entry[0])  # stable: equal weights keep the browser's order
    # Gradio's own choice looks at the first language only, and the two must agree.
    first = ranked[0][1] if ranked else ""
    return first if first in LANGUAGES else LANGUAGES[0]
