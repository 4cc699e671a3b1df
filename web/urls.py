"""The addresses of the pages. Names of organizations stand at the root, so these come last of all."""

from django.urls import path

from web.views import account, home, projects, runs, tokens
from web.views.run import run

app_name = "web"
urlpatterns = [
    path("", home.home, name="home"),
    path("login", account.Login.as_view(), name="login"),
    path("logout", account.Logout.as_view(), name="logout"),
    path("new", projects.new_project, name="new-project"),
    path("account/theme", account.set_theme, name="theme"),
    path("account/tokens", tokens.tokens, name="tokens"),
    path("account/tokens/<int:token_id>/revoke", tokens.revoke, name="revoke-token"),
    path("get_my_api_token", tokens.my_token, name="my-token"),
    path("<str:organization>/", home.organization, name="organization"),
    path("<str:organization>/<str:project>/", runs.runs, name="project"),
    path("<str:organization>/<str:project>", runs.runs),
    path("<str:organization>/<str:project>/e/<str:run_id>/", run, {"tab": "overview"}, name="run"),
    path("<str:organization>/<str:project>/e/<str:run_id>", run, {"tab": "overview"}),
    path("<str:organization>/<str:project>/e/<str:run_id>/<str:tab>", run, name="run-tab"),
    path("<str:organization>/<str:project>/e/<str:run_id>/<str:tab>/", run),
]
