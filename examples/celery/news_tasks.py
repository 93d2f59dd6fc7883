"""Tasks that send mail in a worker. Its environment has the mail server, and the folder that is its broker."""

from __future__ import annotations

import os
import smtplib
from email.message import EmailMessage

from celery import Celery

FOLDER = os.environ["BROKER_FOLDER"]

app = Celery("news_tasks", broker="filesystem://")
app.conf.broker_transport_options = {"data_folder_in": FOLDER, "data_folder_out": FOLDER, "control_folder": FOLDER}
app.conf.worker_enable_remote_control = False


@app.task(autoretry_for=(smtplib.SMTPException,), default_retry_delay=0, max_retries=3)
def send_news(email: str, subject: str) -> None:
    """Send one issue of the newsletter."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "news@shop.example", email, subject
    message.set_content("It is June.")
    with smtplib.SMTP(os.environ["SMTP_HOST"], int(os.environ["SMTP_PORT"]), timeout=10) as smtp:
        smtp.send_message(message)
