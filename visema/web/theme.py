"""The page's colours and shapes. System fonts only: nothing is fetched from outside."""

from __future__ import annotations

import gradio as gr

FONTS = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif"]
MONO = ["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace"]

#: The teal of the default presenter's jumper, light to dark.
TEAL = {
    "c50": "#eef8f7",
    "c100": "#d6eeec",
    "c200": "#aedcd9",
    "c300": "#7ec3c0",
    "c400": "#48a3a3",
    "c500": "#27868a",
    "c600": "#17696f",
    "c700": "#14555b",
    "c800": "#134549",
    "c900": "#11383c",
    "c950": "#092226",
}


def page_theme() -> gr.themes.Base:
    """Calm neutrals, one accent, round corners; dark where the system is dark."""
    accent = gr.themes.Color(name="teal", **TEAL)
    theme = gr.themes.Base(
        primary_hue=accent,
        secondary_hue=accent,
        neutral_hue=gr.themes.colors.stone,
        font=FONTS,
        font_mono=MONO,
        radius_size=gr.themes.sizes.radius_lg,
        text_size=gr.themes.sizes.text_md,
    )
    return theme.set(
        body_background_fill="#f5f4f1",
        body_background_fill_dark="#141312",
        body_text_color_subdued="#6b665e",
        body_text_color_subdued_dark="#a8a29a",
        block_info_text_color="#6b665e",
        block_info_text_color_dark="#a8a29a",
        background_fill_primary="#ffffff",
        background_fill_primary_dark="#1e1d1b",
        background_fill_secondary="#faf9f7",
        background_fill_secondary_dark="#191817",
        block_background_fill="#ffffff",
        block_background_fill_dark="#1e1d1b",
        block_border_color="#e5e2dc",
        block_border_color_dark="#33312e",
        block_border_width="1px",
        block_label_text_color="*neutral_600",
        block_label_text_color_dark="*neutral_300",
        block_title_text_color="*neutral_700",
        block_title_text_color_dark="*neutral_200",
        block_title_text_weight="600",
        block_title_text_size="*text_sm",
        block_info_text_size="*text_xs",
        block_shadow="none",
        block_radius="14px",
        input_background_fill="#fbfaf8",
        input_background_fill_dark="#161514",
        input_border_color="#dedad3",
        input_border_color_dark="#3a3834",
        input_border_color_focus="*primary_500",
        input_border_color_focus_dark="*primary_400",
        input_shadow_focus="0 0 0 3px color-mix(in srgb, *primary_500 22%, transparent)",
        input_radius="10px",
        input_text_size="*text_md",
        button_large_radius="11px",
        button_medium_radius="11px",
        button_small_radius="9px",
        button_large_text_size="*text_md",
        button_large_padding="10px 20px",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_dark="*primary_500",
        button_primary_background_fill_hover_dark="*primary_400",
        button_primary_text_color="#ffffff",
        button_primary_text_color_dark="#ffffff",
        button_primary_border_color="transparent",
        button_secondary_background_fill="#ffffff",
        button_secondary_background_fill_hover="#f2f0ec",
        button_secondary_background_fill_dark="#2a2826",
        button_secondary_background_fill_hover_dark="#34322f",
        button_secondary_border_color="#d8d4cc",
        button_secondary_border_color_dark="#45423d",
        slider_color="*primary_600",
        slider_color_dark="*primary_400",
        color_accent_soft="*primary_50",
        color_accent_soft_dark="*primary_950",
        link_text_color="*primary_700",
        link_text_color_dark="*primary_300",
    )
