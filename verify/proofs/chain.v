(* Chains of thought: the tokens that the model writes are fed back.

   Theorem K of docs/certificates.md, its induction on the step, and Lemma K2a for the tokens that
   each position may hold. In words: K the most hops, j the hops of a written token. If every run
   (step i + 1, l letters that are left for it) is proven, then for every claimed query of 1 to K
   relations, padded to K + 1 tokens, whoever writes the token of the largest logit and feeds it
   back writes x_1 ... x_c, c = ceil(k / j), x_i the node to which the first min(i j, k) relations
   lead, and then END.

   In Python: `Model.runs` and `Model.kinds` in verify/kernel/folder.py, `prove` in
   verify/kernel/proof.py. Steps count from 0 here, from 1 there. *)

From mathcomp Require Import all_ssreflect all_algebra.
From kernel Require Import task transformer products stated rules units weights heads kernel.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import Order.Theory GRing.Theory Num.Theory.
Local Open Scope ring_scope.

Section Chain.
Variables (F : realDomainType) (N R K j : nat) (T : task N R) (m : model F N R).
Variables (weigh : weighing F) (leak : nat -> F -> F).
Hypothesis j_gt0 : (0 < j)%N.
Hypothesis weighs : forall n, leaks_at_most weigh n (leak n).

Definition steps (k : nat) : nat := ((k + j.-1) %/ j)%N. (* ceil(k / j) *)

Definition is_letter (v : token N R) : Prop := exists r, v = Letter r.

(* An entity; or *unknown*, where all queries are claimed and a fact is missing. *)
Definition may_be_written (v : token N R) : Prop :=
  (exists s, v = Entity s) \/
  [/\ v = Unknown, all_claimed T & exists r s, fact T r s = None].

(* `Model.kinds`. *)
Definition chain_kinds (i l : nat) (p : 'I_(K + i).+1) (v : token N R) : Prop :=
  if (p == 0 :> nat)%N then exists s, v = Entity s
  else if (K < p)%N then may_be_written v
  else if (i * j + 1 + l <= p)%N then (if (l < j)%N then v = Pad else is_letter v \/ v = Pad)
  else if (l == 0)%N && (i * j + 1 < p + j)%N then is_letter v \/ v = Pad
  else is_letter v.

(* `Model.runs`. *)
Definition is_run (i l : nat) : bool :=
  (i <= steps K)%N && ((i == 0) <= l <= minn j (K - i * j))%N.

Definition chain_origin (i : nat) : 'I_(K + i).+1 := if i is 0 then ord0 else ord_max.

Definition chain_letters (i l : nat) : seq 'I_(K + i).+1 :=
  [seq inord (i * j + 1 + a) | a <- iota 0 l].

Definition chain_target (l : nat) (e : node N) : token N R := if l is 0 then End else name R e.

Definition chain_proven (margin : F) : Prop :=
  forall i l, is_run i l -> exists any, run_proven T m (leak (K + i)) (@chain_kinds i l) any
    (chain_origin i) (chain_letters i l) (chain_target l) margin.

(* x_(i + 1): where the first (i + 1) j relations lead, or all. *)
Definition reached (s : 'I_N) (w : seq (letter R)) (i : nat) : node N :=
  walk T (take (i.+1 * j) w) (Some s).

Definition chain_prompt (s : 'I_N) (w : seq (letter R)) (i : nat) : seq (token N R) :=
  (Entity s :: [seq Letter r | r <- w] ++ nseq (K - size w) Pad)
    ++ [seq name R (reached s w a) | a <- iota 0 i].

Definition as_tokens n (ts : seq (token N R)) (p : 'I_n.+1) : token N R := nth Pad ts p.

Section Query.
Variables (s : 'I_N) (w : seq (letter R)).
Hypothesis fits : (0 < size w <= K)%N.
Hypothesis claim : claimed T w (Some s).

Lemma prompt_size i : size (chain_prompt s w i) = (K + i).+1.
Proof.
have /andP[_ short] := fits.
by rewrite /= !size_cat !size_map size_nseq size_iota subnKC.
Qed.

(* Of K positions for letters, those of the path have its letters, and the others PAD. *)
Lemma nth_letter_position i p : (p < K)%N ->
  nth Pad (chain_prompt s w i) p.+1 = nth Pad [seq Letter r | r <- w] p.
Proof.
have /andP[_ short] := fits => lt_p /=.
rewrite -catA nth_cat size_map; case: ltnP => // long.
rewrite nth_cat size_nseq nth_nseq ltn_sub2r ?(leq_ltn_trans long) //.
by rewrite nth_default // size_map.
Qed.

Lemma nth_written i a : (a < i)%N ->
  nth Pad (chain_prompt s w i) (K + a).+1 = name R (reached s w a).
Proof.
have /andP[_ short] := fits => lt_a.
rewrite nth_cat /= size_cat size_map size_nseq subnKC // ltnS ltnNge leq_addr /= subSS addKn.
by rewrite (nth_map 0%N) ?size_iota // nth_iota.
Qed.

Lemma passable_along u e : passable T e -> claimed T u e -> passable T (walk T u e).
Proof. by elim: u e => //= r u IH e _ /andP[ok]; apply: IH. Qed.

Lemma reached_written i : may_be_written (name R (reached s w i)).
Proof.
have ok : passable T (reached s w i).
  apply: passable_along; first by rewrite /passable orbT.
  by move: claim; rewrite -{1}(cat_take_drop (i.+1 * j) w) claimed_cat => /andP[].
case at_i: (reached s w i) ok => [o|] ok; first by left; exists o.
right; split=> //; first by rewrite /passable orbF in ok.
by apply: (unknown_needs_missing_fact (w := take (i.+1 * j) w) (e := Some s)).
Qed.

Lemma nth_is_letter p : (p < size w)%N -> is_letter (nth Pad [seq Letter r | r <- w] p).
Proof.
by case: w => // r w' lt_p; rewrite (nth_map r) //; exists (nth r (r :: w') p).
Qed.

Lemma nth_is_pad p : (size w <= p)%N -> nth (@Pad N R) [seq Letter r | r <- w] p = Pad.
Proof. by move=> long; rewrite nth_default // size_map. Qed.

Lemma steps_le k i : (steps k <= i)%N = (k <= i * j)%N.
Proof.
rewrite /steps -ltnS ltn_divLR // mulSn; case: j j_gt0 => // j' _ /=.
by rewrite addSn ltnS [(j' + _)%N]addnC leq_add2r.
Qed.

Lemma step_of_path i :
  reached s w i = walk T (take (minn j (size w - i * j)) (drop (i * j) w))
                    (walk T (take (i * j) w) (Some s)).
Proof.
rewrite -walk_cat -takeD /reached mulSn addnC; congr (walk T _ _).
case: (leqP (i * j + j) (size w)) => [long|short].
  by rewrite (minn_idPl _) // leq_subRL // (leq_trans (leq_addr _ _) long).
rewrite take_oversize ?(ltnW short) // take_oversize //.
rewrite -leq_subLR leq_min leqnn andbT leq_subLR; exact: ltnW.
Qed.

Section Step.
Variable i : nat.
Hypothesis in_time : (i <= steps (size w))%N.

Let left := minn j (size w - i * j).

Lemma left_fits : (i * j + left <= maxn (size w) (i * j))%N.
Proof.
case: (leqP (size w) (i * j)) => [short|/ltnW long].
  by rewrite /left (eqnP short) minn0 addn0.
by rewrite -leq_subRL // geq_minr.
Qed.

Lemma before_step a : (i = a.+1)%N -> (a * j < size w)%N.
Proof. by move=> i_a; rewrite ltnNge -steps_le -ltnNge -i_a. Qed.

Lemma step_is_run : is_run i left.
Proof.
have /andP[some short] := fits; rewrite /is_run; apply/and3P; split.
- by apply: leq_trans in_time _; rewrite leq_div2r // leq_add2r.
- case: (posnP i) => [i_0|i_gt0]; last by [].
  by rewrite /left i_0 mul0n subn0 leq_min j_gt0.
- by rewrite leq_min geq_minl (leq_trans (geq_minr _ _)) // leq_sub2r.
Qed.

Lemma step_possible :
  possible (@chain_kinds i left) (@as_tokens (K + i) (chain_prompt s w i)).
Proof.
move=> [p lt_p]; rewrite /chain_kinds /as_tokens.
have : nth Pad (chain_prompt s w i) 0 = Entity s by [].
move: (chain_prompt s w i) (@nth_letter_position i) (@nth_written i) => ts nth_p nth_w nth_0.
case: p lt_p => [|p] lt_p /=; first by exists s.
case: (ltnP K p.+1) => [written_p|lt_pK].
  rewrite -(subnKC (written_p : K <= p)%N) nth_w; first exact: reached_written.
  by move: lt_p; rewrite ltnS => lt_p; rewrite ltn_subLR.
rewrite nth_p // addn1 addSn ltnS.
case: (leqP (i * j + left) p) => [after|before].
  case: (ltnP left j) => [few|_]; last first.
    by case: (ltnP p (size w)) => [/nth_is_letter|/nth_is_pad]; [left | right].
  apply: nth_is_pad; apply: leq_trans after; rewrite -leq_subLR.
  by move: few; rewrite /left gtn_min ltnn orFb => /ltnW/minn_idPr ->.
case: ifP => [_|later].
  by case: (ltnP p (size w)) => [/nth_is_letter|/nth_is_pad]; [left | right].
apply: nth_is_letter; move: later; case: (posnP left) => [none|some] /= later.
  move/negbT: later; rewrite -leqNgt addSn ltnS => le_p.
  case i_a: i le_p => [|a]; first by rewrite mul0n leqn0 addn_eq0 (gtn_eqF j_gt0) andbF.
  by rewrite mulSn addnC leq_add2l => /leq_ltn_trans; apply; apply: before_step.
move: left_fits; rewrite leq_max => /orP[fits_w|none]; first exact: leq_trans before fits_w.
by move: none; rewrite -[X in (_ <= X)%N]addn0 leq_add2l leqNgt some.
Qed.

Lemma step_origin :
  as_tokens (n := K + i) (chain_prompt s w i) (chain_origin i)
    = name R (walk T (take (i * j) w) (Some s)).
Proof.
rewrite /as_tokens /chain_origin; case: (i) => [|a] /=; first by rewrite mul0n take0.
by rewrite addnS nth_written.
Qed.

Lemma step_letters :
  [seq as_tokens (n := K + i) (chain_prompt s w i) p | p <- chain_letters i left]
    = [seq Letter r | r <- take left (drop (i * j) w)].
Proof.
have /andP[_ short] := fits.
have size_take : size (take left (drop (i * j) w)) = left.
  by rewrite size_takel // size_drop geq_minr.
apply: (@eq_from_nth _ Pad) => [|a]; first by rewrite !size_map size_iota size_take.
rewrite !size_map size_iota => lt_a.
have in_w : (i * j + a < size w)%N.
  move: left_fits; rewrite leq_max => /orP[fits_w|none].
    by apply: leq_trans fits_w; rewrite ltn_add2l.
  move: none; rewrite -[X in (_ <= X)%N]addn0 leq_add2l leqn0 => /eqP none.
    by rewrite none in lt_a.
rewrite -map_comp (nth_map 0%N) ?size_iota // nth_iota // add0n /as_tokens /= addn1 addSn inordK.
  by rewrite nth_letter_position ?(leq_trans in_w) // map_take map_drop nth_take // nth_drop.
by rewrite ltnS (leq_trans in_w) // (leq_trans short) ?leq_addr.
Qed.

Theorem chain_step margin :
  chain_proven margin ->
  says weigh m (@as_tokens (K + i) (chain_prompt s w i))
    (if i == steps (size w) then End else name R (reached s w i)) margin.
Proof.
move=> /(_ _ _ step_is_run)[any proof].
have -> : (if i == steps (size w) then End else name R (reached s w i))
        = chain_target left
            (walk T (take left (drop (i * j) w)) (walk T (take (i * j) w) (Some s))).
  rewrite -step_of_path eqn_leq in_time steps_le /= -subn_eq0 /left.
  case: (_ - _)%N => [|l]; first by rewrite minn0.
  have: (0 < minn j l.+1)%N by rewrite leq_min j_gt0.
  by case: (minn j l.+1).
apply: (run_right (@weighs _) proof step_possible step_origin step_letters).
move: claim; rewrite -{1}(cat_take_drop (i * j) w) -{1}(cat_take_drop left (drop _ w)).
by rewrite !claimed_cat => /and3P[].
Qed.

End Step.

End Query.

(* Whoever writes the token of the largest logit, after whatever was written before. *)
Definition greedy (next : seq (token N R) -> token N R) : Prop :=
  forall n ts v margin, size ts = n.+1 -> 0 < margin ->
    says weigh m (@as_tokens n ts) v margin -> next ts = v.

(* `count` tokens, each fed back. *)
Fixpoint generated (next : seq (token N R) -> token N R) count ts : seq (token N R) :=
  if count is c.+1 then next ts :: generated next c (rcons ts (next ts)) else [::].

Theorem chain_right next margin (s : 'I_N) (w : seq (letter R)) :
  chain_proven margin -> 0 < margin -> greedy next ->
  (0 < size w <= K)%N -> claimed T w (Some s) ->
  generated next (steps (size w)).+1 (chain_prompt s w 0)
    = rcons [seq name R (reached s w i) | i <- iota 0 (steps (size w))] End.
Proof.
move=> proof margin_gt0 best fits claim; set c := steps (size w).
have says_i i : (i <= c)%N ->
    next (chain_prompt s w i) = if i == c then End else name R (reached s w i).
  move=> in_time; apply: (best _ _ _ margin (prompt_size s fits i) margin_gt0).
  exact: chain_step.
have prompt_grows i : rcons (chain_prompt s w i) (name R (reached s w i)) = chain_prompt s w i.+1.
  by rewrite /chain_prompt -[i.+1]addn1 iotaD map_cat add0n catA cats1.
have generatedS n ts :
    generated next n.+1 ts = next ts :: generated next n (rcons ts (next ts)) by [].
suff from i b : (i + b = c)%N -> generated next b.+1 (chain_prompt s w i)
    = rcons [seq name R (reached s w a) | a <- iota i b] End by apply: from.
elim: b i => [|b IH] i.
  by rewrite addn0 => i_c; rewrite generatedS says_i i_c // eqxx.
rewrite addnS -addSn => i_b; have lt_ic : (i < c)%N by rewrite -i_b ltnS leq_addr.
by rewrite generatedS says_i ?(ltnW lt_ic) // (ltn_eqF lt_ic) prompt_grows IH.
Qed.

End Chain.
