@echo off
rem Start Visema: installs what is missing into .venv, then opens the page; with arguments, runs video.py with them.
setlocal
call "%~dp0tools\find_python.cmd" || exit /b 2
%VISEMA_FOUND% "%~dp0tools\launch.py" run %*
exit /b %ERRORLEVEL%
